import { join } from 'node:path';
import { configOfRouteNamed, type SinkConfig } from '@sink/config';
import { DEFAULT_ROUTE } from '@sink/domain';
import { bucketNamed, createObjectStore, placeOf } from '@sink/objects';
import { openRedis } from '@sink/redis';
import { type ServiceContext, tightenDirectory } from '@sink/runtime';
import { SpoolDirectory } from '@sink/spool';
import { openTracing } from '@sink/tracing';
import { UploadQueue, UploadWorker } from '@sink/uploads';
import { composeUploader } from './compose.ts';
import { UploaderMetrics } from './metrics.ts';
import { receiptsPage } from './receipts-page.ts';
import { type UploaderSettings, uploaderSettings } from './settings.ts';
import { classify } from './upload/failure.ts';
import { ObjectBuilder } from './upload/object-builder.ts';

interface UploadWork extends Pick<ConstructorParameters<typeof UploadWorker>[2], 'spoolId' | 'upload'> {
  /** Now. */
  readonly concurrency: () => number;
}

/** What draining leaves of the time to stop, for closing; at most half of it. */
const CLOSE_MS = 3_000;
/** How long the start waits for the connection of the sweep. */
const CONNECT_MS = 2_000;

/**
 * Starts the uploader: upload jobs in, objects out. When it stops, it first drains, for as long as the stop may take.
 * @param overrides of the settings that follow from the configuration
 */
export async function startUploader(context: ServiceContext, overrides: Partial<UploaderSettings> = {}): Promise<void> {
  const { config, inForce, log, clock, readiness, registry, shutdown, signal } = context;
  const tracing = await openTracing(context);
  for (const warning of config.warnings) log.warn(`configuration: ${warning}`);
  const { commands, connect, port, barrier } = await openRedis(context);
  context.opsPages.set('/receipts', () => receiptsPage(port(commands), config));
  const settings = inForce.settings((now) => ({ ...uploaderSettings(now, barrier), ...overrides }));
  const sweepConnection = connect('commands');
  shutdown.add('redis of the sweep', async () => sweepConnection.disconnect());
  // The first sweep would fail without it, and be announced as a problem of the whole sink.
  const connected = new Promise((resolve) => sweepConnection.once('ready', resolve));
  if (sweepConnection.status !== 'ready') await Promise.race([connected, clock.sleep(CONNECT_MS, signal)]);
  const jobs = new UploadQueue(connect('queue'), config.sinkName, { log });
  shutdown.add('upload queue', () => jobs.close());
  const spool = new SpoolDirectory(join(config.dataDir, 'spool'));
  const spilled = await spilledJobs();
  const store = createObjectStore(config.bucket, putSettings());
  shutdown.add('object store', async () => store.close());
  const rebuilt = join(config.dataDir, 'rebuilt');
  await tightenDirectory(rebuilt);
  const builder = new ObjectBuilder({ directory: rebuilt });
  shutdown.add('rebuilt segments', () => builder.close());

  const uploader = composeUploader(
    {
      redis: port(commands),
      sweepRedis: port(sweepConnection),
      jobs,
      spilled,
      store,
      openStore: (bucket, route) => {
        const named = bucketNamed(bucket, configOfRouteNamed(config, route).bucket);
        return named && { store: createObjectStore(named, putSettings(route)), place: placeOf(named) };
      },
      spool,
      builder,
      metrics: new UploaderMetrics(registry),
      readiness,
      log,
      clock,
      random: Math.random,
      tracing,
      timeout: (ms) => AbortSignal.timeout(ms),
    },
    settings,
  );
  shutdown.add('object stores of other buckets', async () => uploader.closeStores());
  const concurrency = (): number => settings.concurrency;
  const workers = [startWorker({ concurrency, upload: uploader.upload })];
  if (spilled !== null) {
    // New events do not wait behind what was spilled, nor spilled ones behind new ones.
    const half = (): number => Math.ceil(settings.concurrency / 2);
    workers.push(startWorker({ spoolId: spilled.spoolId, concurrency: half, upload: uploader.uploadSpilled }));
  }
  const running = uploader.runUntil(signal);
  running.catch((error: unknown) => context.fail(error));
  const tried = Promise.withResolvers<undefined>();
  uploader.tryBucket(signal, () => tried.resolve(undefined)).catch((error: unknown) => context.fail(error));

  const closeMs = Math.min(CLOSE_MS, config.stopGraceMs / 2);
  shutdown.add('uploads', async () => {
    await running.catch(() => undefined); // reported above
    const drained = await uploader.drain(config.stopGraceMs - closeMs);
    if (drained === 'left') log.warn('stopping before all segments are uploaded: the rest stays in Redis');
    await Promise.all(workers.map((worker) => worker.close(closeMs / 3)));
  });
  // So that the whole sink announces itself with what is known of the bucket.
  await Promise.race([tried.promise, clock.sleep(settings.trial?.startMs ?? 0, signal)]);

  /** How objects of a route are put, by the configuration that is in force at each use. */
  function putSettings(route = DEFAULT_ROUTE): Readonly<SinkConfig> {
    return inForce.settings((now) => ({ ...configOfRouteNamed(now, route) }));
  }

  function startWorker(work: UploadWork): UploadWorker {
    const worker = new UploadWorker(connect('queue'), config.sinkName, {
      ...work,
      concurrency: work.concurrency(),
      paceOf: (error) => classify(error).pace,
      retryTimes: settings.retry,
      log,
      readiness,
      ...(settings.lockMs === undefined ? {} : { lockMs: settings.lockMs }),
    });
    worker.ended.catch((error: unknown) => context.fail(error));
    inForce.onChange(() => worker.setConcurrency(work.concurrency()));
    return worker;
  }

  async function spilledJobs(): Promise<{ spoolId: string; jobs: UploadQueue } | null> {
    const spoolId = await spool.idOrNull();
    if (spoolId === null) return null;
    const queue = new UploadQueue(connect('queue'), config.sinkName, { log, spoolId });
    shutdown.add('queue of spilled uploads', () => queue.close());
    return { spoolId, jobs: queue };
  }
}

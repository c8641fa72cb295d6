import { join } from 'node:path';
import { IoredisPort } from '@sink/lane';
import { createObjectStore } from '@sink/objects';
import { openRedis } from '@sink/redis';
import type { ServiceContext } from '@sink/runtime';
import { SpoolDirectory } from '@sink/spool';
import { RETRY_TIMES, type RetryTimes, UploadQueue, UploadWorker } from '@sink/uploads';
import { BREAKER, type BreakerOptions } from './breaker.ts';
import { UploaderMetrics } from './metrics.ts';
import { Manifests } from './manifests.ts';
import { ObjectBuilder } from './object-builder.ts';
import { SpoolFiles } from './spool-files.ts';
import { Uploader } from './uploader.ts';

/** How fast the uploader acts; tests make it faster. */
export interface UploaderTimes {
  readonly sweepEveryMs: number;
  readonly retry: RetryTimes;
  readonly breaker: BreakerOptions;
  /** How long after its end a partition gets its manifest, at least. */
  readonly manifestGraceMs: number;
  /** Absent: the worker's own (15 s). */
  readonly lockMs?: number;
}

const TIMES: UploaderTimes = {
  ...{ sweepEveryMs: 10_000, retry: RETRY_TIMES, breaker: BREAKER },
  manifestGraceMs: 60_000,
};
/** Of the time to stop, what draining leaves for closing. */
const CLOSE_MS = 3_000;

/** Starts the uploader: upload jobs in, objects out. Stopping, it first drains, for as long as the stop may take. */
export async function startUploader(context: ServiceContext, times: UploaderTimes = TIMES): Promise<void> {
  const { config, log, clock, readiness, registry, shutdown, signal } = context;
  const { commands, connect, barrier: durability } = await openRedis(context);
  const sweeping = connect('commands');
  shutdown.add('redis of the sweep', async () => sweeping.disconnect());
  const queue = new UploadQueue(connect('queue'), config.sinkName, { log });
  shutdown.add('upload queue', () => queue.close());

  const directory = new SpoolDirectory(join(config.dataDir, 'spool'));
  const spilled = await spilledQueue();

  const store = createObjectStore(config.bucket, { ifNoneMatch: config.ifNoneMatch });
  shutdown.add('object store', async () => store.close());
  const builder = new ObjectBuilder({ directory: join(config.dataDir, 'rebuilt') });
  shutdown.add('rebuilt segments', () => builder.close());
  const spool = new SpoolFiles(directory, ({ id, key }, problem) => {
    log.warn({ segmentId: id, key, problem }, 'spool file not usable');
  });

  const metrics = new UploaderMetrics(registry);
  const uploader = new Uploader(
    {
      redis: new IoredisPort(commands),
      sweepRedis: new IoredisPort(sweeping),
      ...{ queue, spilled, store, spool, builder, readiness, log, clock },
      metrics,
      random: Math.random,
    },
    {
      ...{ sinkName: config.sinkName, lanes: config.lanes, durability, receiptsMax: config.receiptsMax },
      manifests: config.manifests,
      ...{ uploadTimeoutMs: config.uploadTimeoutMs, sweepEveryMs: times.sweepEveryMs, breaker: times.breaker },
    },
  );
  const work = {
    paceOf: (error: unknown) => uploader.paceOf(error),
    retryTimes: times.retry,
    log,
    ...(times.lockMs === undefined ? {} : { lockMs: times.lockMs }),
  };
  const workers = [
    new UploadWorker(connect('queue'), config.sinkName, {
      ...work,
      concurrency: config.uploadConcurrency,
      upload: (lane, segmentId, lost) => uploader.upload(lane, segmentId, lost),
    }),
  ];
  if (spilled !== null) {
    // New events do not wait behind what was spilled, nor the other way round.
    const worker = new UploadWorker(connect('queue'), config.sinkName, {
      ...work,
      spoolId: spilled.spoolId,
      concurrency: Math.ceil(config.uploadConcurrency / 2),
      upload: (lane, segmentId, lost) => uploader.uploadSpilled(lane, segmentId, lost),
    });
    workers.push(worker);
  }
  for (const worker of workers) worker.ended.catch((error: unknown) => context.fail(error));
  const sweeps = uploader.sweepUntil(signal);
  sweeps.catch((error: unknown) => context.fail(error));

  const manifests = new Manifests(
    {
      redis: new IoredisPort(sweeping),
      ...{ store, metrics, readiness, log, clock },
    },
    {
      ...{ sinkName: config.sinkName, lanes: config.lanes, prefix: config.prefix, durability },
      ...{ uploadTimeoutMs: config.uploadTimeoutMs, everyMs: times.sweepEveryMs, graceMs: times.manifestGraceMs },
    },
  ).writeUntil(signal);
  manifests.catch((error: unknown) => context.fail(error));

  const closeMs = Math.min(CLOSE_MS, config.stopGraceMs / 2);
  shutdown.add('uploads', async () => {
    await Promise.all([sweeps, manifests]).catch(() => undefined);
    const drained = await uploader.drain(config.stopGraceMs - closeMs);
    if (drained === 'left') log.warn('stopping with segments left to upload: they stay in Redis for the next start');
    await Promise.all(workers.map((worker) => worker.close(closeMs / 3)));
  });

  async function spilledQueue(): Promise<{ spoolId: string; queue: UploadQueue } | null> {
    const spoolId = await directory.idOrNull();
    if (spoolId === null) return null;
    const own = new UploadQueue(connect('queue'), config.sinkName, { log, spoolId });
    shutdown.add('queue of spilled uploads', () => own.close());
    return { spoolId, queue: own };
  }
}

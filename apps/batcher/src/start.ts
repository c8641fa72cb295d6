import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describeOtherSinks, openRedis, registerMemoryMetrics } from '@sink/redis';
import { FailureReporter, makePrivateDirectory, type ServiceContext, tightenDirectory } from '@sink/runtime';
import { SpoolDirectory, SpoolError } from '@sink/spool';
import { openTracing } from '@sink/tracing';
import { UploadQueue } from '@sink/uploads';
import { composeBatcher } from './compose.ts';
import { flushAction } from './flush-action.ts';
import { BatcherMetrics } from './metrics.ts';
import type { UploadHandover } from './ports.ts';
import { batcherSettings } from './settings.ts';

/** A read blocks for a fraction of this; without an answer for so long its connection is dead. */
const READ_TIMEOUT_MS = 5_000;
/** A failure that ends sooner does not make the service unready. */
const UNREADY_AFTER_MS = 3_000;

/** Starts the batcher: chunks in, sealed segments out, on all lanes of the sink. Stopping, it seals what is open. */
export async function startBatcher(context: ServiceContext): Promise<void> {
  const { config, inForce, log, readiness, registry, shutdown, signal, clock } = context;
  const tracing = await openTracing(context);
  const metrics = new BatcherMetrics(registry);
  const spool = new SpoolDirectory(join(config.dataDir, 'spool'));
  await tryWriting(spool);
  const { commands, connect, port, barrier, backlogBytesMax } = await openRedis(context);
  registerMemoryMetrics(registry, commands);
  const uploads = new UploadQueue(connect('queue'), config.sinkName, { log });
  const queueing = new FailureReporter(context, { name: 'queueing uploads', unreadyAfterMs: UNREADY_AFTER_MS });
  shutdown.add('upload queue', () => uploads.close());

  const batcher = await composeBatcher(
    {
      redis: port(commands),
      openReader: () => {
        const connection = connect('blocking', { commandTimeoutMs: READ_TIMEOUT_MS });
        return { redis: port(connection), close: () => connection.disconnect() };
      },
      spool,
      uploads: { add: queueUpload },
      spilledUploads,
      clock,
      random: Math.random,
      ids: {
        consumer: () => `b-${randomUUID()}`,
        segment: () => `s-${randomUUID()}`,
        laneUid: () => randomBytes(8).toString('hex'),
      },
      metrics,
      log,
      readiness,
      tracing,
      reporter: (name) => new FailureReporter(context, { name, unreadyAfterMs: UNREADY_AFTER_MS }),
    },
    inForce.settings((now) => batcherSettings(now, { barrier, backlogBytesMax })),
  );
  const { sinkName, lanes } = config;
  context.opsActions.set('/flush', flushAction({ redis: port(commands), sinkName, lanes, clock, signal }));
  const running = batcher.run(signal);
  running.catch((error: unknown) => context.fail(error));
  shutdown.add('batcher', () => running.catch(() => undefined)); // reported above

  void mentionOtherSinks();

  /** The sweep of the uploaders queues later what cannot be queued now. */
  async function queueUpload(lane: number, segmentId: string): Promise<void> {
    try {
      await uploads.add(lane, segmentId);
      queueing.succeeded();
    } catch (err) {
      queueing.failed({ err });
      throw err;
    }
  }

  /** Once the leases of batchers that were killed before this start are over. */
  async function mentionOtherSinks(): Promise<void> {
    await clock.sleep(1.5 * config.leaseMs, signal);
    if (signal.aborted) return;
    for (const other of await describeOtherSinks(commands, config.sinkName)) log.info(other);
  }

  function spilledUploads(spoolId: string): UploadHandover {
    const spilled = new UploadQueue(connect('queue'), config.sinkName, { log, spoolId });
    shutdown.add('queue of spilled uploads', () => spilled.close());
    return {
      add: async (lane, segmentId) => {
        await spilled.add(lane, segmentId);
        await uploads.remove(segmentId);
      },
    };
  }
}

/**
 * Whether segment files can be written here, so that a wrong `data_dir` shows at the start and not with the first event.
 * @throws SpoolError that needs an operator
 */
async function tryWriting(spool: SpoolDirectory): Promise<void> {
  try {
    makePrivateDirectory(spool.path);
    await tightenDirectory(spool.path);
  } catch {
    // The next lines say why it cannot be made.
  }
  try {
    await spool.tryWriting();
  } catch (error) {
    if (!(error instanceof SpoolError && (error.retryable || error.code === 'spool_gone'))) throw error;
  }
}

import { BATCHER_LIMITS, BatcherMetrics, type BatcherPorts, composeBatcher } from '@sink/batcher';
import { builtInRoutes, isRetryable } from '@sink/domain';
import { Registry } from '@sink/runtime';
import { SpoolError } from '@sink/spool';
import { clockOf, diskOf, guarded, LEASE_MS, redisOf, type WorldParts } from './actors.ts';
import type { Actor } from './scheduler.ts';

/** Nothing reads the gauges, and asking Redis for them would be most of a world's calls. */
class ModelMetrics extends BatcherMetrics {
  override observe(): Promise<void> {
    return Promise.resolve();
  }
}

const METRICS = new ModelMetrics(new Registry());
const RENEW_EVERY_MS = 400;
export const ROUTES = builtInRoutes({ bucket: 'bucket', prefix: '', quarantinePrefix: 'quarantine/' });

/** The shipped batcher. `stop` ends it in order. */
export function startBatcher(parts: WorldParts, actor: Actor, stop: AbortSignal): Promise<void> {
  const { spillAtBytes, flushSize, sinkName } = parts;
  return guarded(parts, actor, async () => {
    const batcher = await composeBatcher(portsOf(parts, actor), {
      ...BATCHER_LIMITS,
      sinkName,
      lanes: 1,
      routes: ROUTES,
      compression: 'none',
      compressionLevel: undefined,
      flushSize,
      flushBytes: 10_000,
      targetObjectBytes: null,
      scheduledIntervalMs: 150,
      idleIntervalMs: null,
      openFilesMax: 2,
      openBytesMax: 20_000,
      pathInMemoryBytesMax: 400,
      leaseMs: LEASE_MS,
      renewalsPerLease: LEASE_MS / RENEW_EVERY_MS,
      barrier: parts.barrier,
      backlogBytesMax: Number.MAX_SAFE_INTEGER,
      spillAtBytes,
      spoolBytesMax: null,
      reserveBytes: null,
      readChunksMax: 3,
      readBlockMs: 20,
      readGatherMs: 5,
      claimEveryMs: 120,
      auditEveryMs: 300,
      scrubEveryMs: 200,
      restartWaitMs: 20,
      restartWaitMsMax: 80,
      housekeepingEveryMs: 2_000,
      writerIdleMsMax: parts.writerIdleMsMax,
      spillLookEveryMs: 40,
      // A model's world asks for none.
      flushLookEveryMs: Infinity,
      roomLookEveryMs: 2_000,
      roomWalkEveryMs: 10_000,
    });
    await batcher.run(stop);
  });
}

function portsOf(parts: WorldParts, actor: Actor): BatcherPorts {
  const { scheduler, random, newId } = parts;
  const disk = diskOf(parts, actor);
  const redis = redisOf(parts, actor);
  const note = (fields: object, message = ''): void =>
    scheduler.note(`${actor.name}: ${message} ${JSON.stringify(fields)}`);
  /** A failure that is not retryable is a broken invariant, also where the batcher only reports it. */
  const failed = ({ err }: { readonly err?: unknown }): void => {
    note({}, String(err));
    if (err !== undefined && !isRetryable(err) && !isFolderGone(err)) parts.crash(actor, err);
  };
  return {
    redis,
    openReader: () => ({ redis, close: () => undefined }),
    spool: disk.spool(scheduler, actor, () => newId('file')),
    uploads: parts.jobs.port(scheduler, actor),
    spilledUploads: () => disk.spilledJobs.port(scheduler, actor),
    clock: clockOf(parts, actor),
    random: () => random.next(),
    ids: {
      consumer: () => {
        const consumer = newId(actor.name);
        parts.consumers.set(actor, consumer);
        return consumer;
      },
      segment: () => newId('segment'),
      laneUid: () => newId('uid'),
    },
    metrics: METRICS,
    log: {
      debug: failed,
      info: note,
      warn: note,
      // Nothing may need an operator here.
      error: (fields: object, message = '') => parts.crash(actor, new Error(`${message} ${JSON.stringify(fields)}`)),
    },
    readiness: { set: () => undefined },
    reporter: () => ({ failed, succeeded: () => undefined }),
  };
}

/** Another batcher removed a folder while this one looked at it. */
function isFolderGone(error: unknown): boolean {
  return error instanceof SpoolError && error.code === 'spool_gone';
}

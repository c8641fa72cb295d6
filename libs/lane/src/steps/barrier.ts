import type { LaneKeys } from '../keys.ts';
import { type InSync, RedisRefused, type RedisPort } from '../port.ts';
import { asList, asText, integer } from '../reply.ts';
import { step } from '../step.ts';

/**
 * barrier: a write of the caller's own, at maxmemory too. A durability barrier that covers it covers every write before it.
 *
 * Answers: how many barriers there were.
 */
export const barrierStep = step({
  name: 'barrier',
  draining: true,
  keys: ['meta'],
  args: {},
  lua: `
return redis.call('HINCRBY', meta, 'barriers', 1)
`,
});

/** How durable a write must be before it counts; the write itself was answered already. */
export interface DurabilityBarrier {
  /** Ask for the fsync of the append-only file with WAITAOF (Redis ≥ 7.2). */
  readonly waitaof: boolean;
  /** Replicas that must have the write too. */
  readonly replicas: number;
  readonly timeoutMs: number;
}

/** How long a write waits for the replicas in sync before those that are missing are asked why. */
const IN_SYNC_TIMEOUT_MS = 300;

export async function reached(redis: RedisPort, keys: LaneKeys, barrier: DurabilityBarrier): Promise<boolean> {
  const { waitaof, replicas, timeoutMs } = barrier;
  if (replicas > 0 && redis.inSync) return reachedInSync(redis, redis.inSync, keys, barrier); // rule: barrier.in-sync
  if (waitaof) {
    const [local, remote] = asList(await redis.call('WAITAOF', [1, replicas, timeoutMs], keys.chunks));
    return Number(local) >= 1 && Number(remote) >= replicas;
  }
  if (replicas === 0) return true;
  return Number(await redis.call('WAIT', [replicas, timeoutMs], keys.chunks)) >= replicas;
}

/** All commands leave in this turn, so that they go over the connection of the write. */
async function reachedInSync(
  redis: RedisPort,
  inSync: InSync,
  keys: LaneKeys,
  { waitaof, replicas, timeoutMs }: DurabilityBarrier,
): Promise<boolean> {
  const info = (): Promise<unknown> => redis.call('INFO', ['replication'], keys.chunks);
  const [synced, before, acknowledged, after] = await Promise.all([
    waitaof ? redis.call('WAITAOF', [1, replicas, timeoutMs], keys.chunks) : null,
    inSync.exact ? info() : null,
    redis.call('WAIT', [Math.max(replicas, inSync.count), IN_SYNC_TIMEOUT_MS], keys.chunks),
    info(),
  ]);
  const acknowledgedBy = Number(acknowledged);
  const all = await inSync.allHave({ acknowledgedBy, before: asText(before), after: asText(after) ?? '' });
  if (synced === null) return all && acknowledgedBy >= replicas;
  const [local, remote] = asList(synced);
  return all && Number(local) >= 1 && Number(remote) >= replicas;
}

export async function reachedAfterWrite(
  redis: RedisPort,
  keys: LaneKeys,
  barrier: DurabilityBarrier,
): Promise<boolean> {
  if (!barrier.waitaof && barrier.replicas === 0) return true;
  integer(await barrierStep.run(redis, keys, {}), 'writing a barrier'); // rule: barrier.write
  return reached(redis, keys, barrier);
}

/** Throws for a barrier that was not reached; for callers that retry the whole step. */
export function assertReached(reached: boolean, action: string): void {
  if (!reached) throw new RedisRefused(action, 'NOTDURABLE the durability asked for was not reached in time');
}

import type { LaneKeys } from '../keys.ts';
import { RedisRefused, type RedisPort } from '../port.ts';
import { asList, integer } from '../reply.ts';
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

export async function reached(redis: RedisPort, keys: LaneKeys, barrier: DurabilityBarrier): Promise<boolean> {
  const { waitaof, replicas, timeoutMs } = barrier;
  if (waitaof) {
    const [local, remote] = asList(await redis.call('WAITAOF', [1, replicas, timeoutMs], keys.chunks));
    return Number(local) >= 1 && Number(remote) >= replicas;
  }
  if (replicas === 0) return true;
  return Number(await redis.call('WAIT', [replicas, timeoutMs], keys.chunks)) >= replicas;
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

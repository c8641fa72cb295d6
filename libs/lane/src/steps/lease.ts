import { GROUP, type LaneKeys, leaseKey } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { integer, oneOf } from '../reply.ts';
import { step } from '../step.ts';

/**
 * takeLease: takes the lease of a name that no other process has. Later it is renewed with PEXPIRE, which renews nothing
 * once the lease is gone. Leases only decide how soon another batcher takes over, never what is safe.
 *
 * In: the name, the time to live in milliseconds.
 * Answers: `taken`, also for one's own lease, because the first answer may have been lost: its time starts anew; `held` if
 * the key has another value, which no release of this software stores, and nothing changes.
 */
export const takeLeaseStep = step({
  name: 'takeLease',
  draining: true,
  keys: ['lease'],
  args: { consumer: 'text', ttlMs: 'text' },
  lua: `
if redis.call('SET', lease, consumer, 'NX', 'PX', ttlMs) then return 'taken' end
if redis.call('GET', lease) ~= consumer then return 'held' end
redis.call('PEXPIRE', lease, ttlMs)
return 'taken'
`,
});

/**
 * leave: a batcher stops in order. Its lease goes, and in the same step its consumer, unless something is still pending
 * with it: another batcher claims that, and XGROUP DELCONSUMER would drop it.
 *
 * In: the group, the batcher's name. Answers: how many leases were deleted, 0 or 1.
 */
export const leaveStep = step({
  name: 'leave',
  draining: true,
  keys: ['chunks', 'lease'],
  args: { group: 'text', me: 'text' },
  lua: `
if redis.call('EXISTS', chunks) == 1 and #redis.call('XPENDING', chunks, group, '-', '+', 1, me) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', chunks, group, me)
end
return redis.call('DEL', lease)
`,
});

/** @throws UnexpectedAnswer if the key has another value than the consumer's name */
export async function takeLease(redis: RedisPort, keys: LaneKeys, consumer: string, ttlMs: number): Promise<void> {
  const reply = await takeLeaseStep.run(redis, { lease: leaseKey(keys, consumer) }, { consumer, ttlMs });
  oneOf(['taken'], reply, `taking the lease of ${consumer}`);
}

/** False, and nothing changes, once the lease is gone. */
export async function renewLease(redis: RedisPort, keys: LaneKeys, consumer: string, ttlMs: number): Promise<boolean> {
  return Number(await redis.call('PEXPIRE', [leaseKey(keys, consumer), ttlMs])) === 1;
}

export async function leave(redis: RedisPort, keys: LaneKeys, consumer: string): Promise<void> {
  const lease = leaseKey(keys, consumer);
  integer(await leaveStep.run(redis, { chunks: keys.chunks, lease }, { group: GROUP, me: consumer }), 'leaving a lane');
}

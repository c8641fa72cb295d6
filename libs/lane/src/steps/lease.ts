import { GROUP, type LaneKeys, leaseKey } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { integer, oneOf } from '../reply.ts';
import { takeLease as takeLeaseScript } from '../scripts/lease.ts';
import { leave as leaveScript } from '../scripts/leave.ts';

/** @throws UnexpectedAnswer if the key holds another value: this software only ever stores the consumer's name in it */
export async function takeLease(redis: RedisPort, keys: LaneKeys, consumer: string, ttlMs: number): Promise<void> {
  const reply = await redis.run(takeLeaseScript, [leaseKey(keys, consumer)], [consumer, ttlMs]);
  oneOf(['taken'], reply, `taking the lease of ${consumer}`);
}

/** False, and nothing changes, once the lease is gone. */
export async function renewLease(redis: RedisPort, keys: LaneKeys, consumer: string, ttlMs: number): Promise<boolean> {
  return Number(await redis.call('PEXPIRE', [leaseKey(keys, consumer), ttlMs])) === 1;
}

export async function leave(redis: RedisPort, keys: LaneKeys, consumer: string): Promise<void> {
  integer(await redis.run(leaveScript, [keys.chunks, leaseKey(keys, consumer)], [GROUP, consumer]), 'leaving a lane');
}

import { GROUP, type LaneKeys, leaseKey } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { asList, integer, oneOf } from '../reply.ts';
import { claim as claimScript } from '../scripts/claim.ts';

/** Chunks that one claim takes over: bounds the time that Redis is blocked. */
const CLAIM_PAGE = 100;

/** `alive`: the batcher has its lease, nothing changed; `more`: chunks are left; `removed`: none is, nor its consumer. */
export interface ClaimAnswer {
  readonly kind: 'alive' | 'more' | 'removed';
  readonly chunks: number;
}

export async function claim(redis: RedisPort, keys: LaneKeys, dead: string, consumer: string): Promise<ClaimAnswer> {
  const args = [GROUP, dead, consumer, CLAIM_PAGE];
  const [kind, chunks] = asList(await redis.run(claimScript, [keys.chunks, leaseKey(keys, dead)], args));
  return { kind: oneOf(['alive', 'more', 'removed'], kind, 'claiming'), chunks: integer(chunks, 'claiming') };
}

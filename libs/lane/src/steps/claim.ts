import { GROUP, type LaneKeys, leaseKey } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { asList, integer, oneOf } from '../reply.ts';
import { step } from '../step.ts';

/** Chunks that one claim takes over: bounds the time that Redis is blocked. */
const CLAIM_PAGE = 100;

/**
 * claim: takes over one page of what a dead batcher left pending (docs/protocol.md, R18, R19).
 *
 * In: the lease of the batcher to claim from, the group, its name, the caller's name, the size of a page.
 * Answers: `alive` if it has its lease, or is the caller, and nothing changed; `more` if chunks are left; `removed` if none
 * is left, nor its consumer; and the number of chunks that were taken over.
 * Checked before the first write: the lease.
 *
 * - The consumer is removed in the same step, and only once nothing is pending: XGROUP DELCONSUMER drops what is.
 * - A batcher cannot claim from itself: its page would never come to an end.
 */
export const claimStep = step({
  name: 'claim',
  draining: true,
  keys: ['chunks', 'lease'],
  args: { group: 'text', dead: 'text', me: 'text', page: 'number' },
  lua: `
if dead == me or redis.call('EXISTS', lease) == 1 then return {'alive', 0} end
local pending = redis.call('XPENDING', chunks, group, '-', '+', page, dead)
for _, entry in ipairs(pending) do
  redis.call('XCLAIM', chunks, group, me, 0, entry[1], 'JUSTID') -- rule: claim.all-pending
end
if #redis.call('XPENDING', chunks, group, '-', '+', 1, dead) > 0 then return {'more', #pending} end -- rule: claim.nothing-pending
redis.call('XGROUP', 'DELCONSUMER', chunks, group, dead)
return {'removed', #pending}
`,
});

/** `alive`: the batcher has its lease, nothing changed; `more`: chunks are left; `removed`: none is, nor its consumer. */
export interface ClaimAnswer {
  readonly kind: 'alive' | 'more' | 'removed';
  readonly chunks: number;
}

export async function claim(redis: RedisPort, keys: LaneKeys, dead: string, consumer: string): Promise<ClaimAnswer> {
  const lease = leaseKey(keys, dead);
  const args = { group: GROUP, dead, me: consumer, page: CLAIM_PAGE };
  const [kind, chunks] = asList(await claimStep.run(redis, { chunks: keys.chunks, lease }, args));
  return { kind: oneOf(['alive', 'more', 'removed'], kind, 'claiming'), chunks: integer(chunks, 'claiming') };
}

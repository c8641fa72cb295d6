import type { SegmentRecord, SpilledRecord } from '@sink/domain';
import type { LaneKeys } from '../keys.ts';
import { badBacklog, recordCost } from '../lua/lane.ts';
import type { RedisPort } from '../port.ts';
import { oneOf } from '../reply.ts';
import { step } from '../step.ts';

/**
 * redirect: a sealed segment is to be stored in another bucket. All else of its record stays as it is (docs/protocol.md, R69).
 *
 * In: the segment's id, its record as it was read, and as it is to be, both as JSON.
 * Answers: `redirected`; `gone`: there is no record, so it was committed; `changed`: it is another one by now, because it was
 * spilled or redirected. Only the first changes anything.
 * Checked before the first write: the record, the counters of the backlog.
 *
 * An uploader that has read the record before may put its object into the earlier bucket. Commit refuses its receipt, so the
 * segment is stored where its record says, and that object is left over.
 */
export const redirectStep = step({
  name: 'redirect',
  draining: true,
  keys: ['records', 'spilled', 'backlog'],
  args: { segment: 'text', before: 'text', after: 'text' },
  uses: [badBacklog, recordCost],
  lua: `
local home = redis.call('HEXISTS', records, segment) == 1 and records or spilled
local json = redis.call('HGET', home, segment)
if not json then return 'gone' end
if json ~= before then return 'changed' end
local bad = badBacklog(backlog, {'bytes'})
if bad then return bad end
redis.call('HSET', home, segment, after)
redis.call('HINCRBY', backlog, 'bytes', recordCost(after) - recordCost(json))
return 'redirected'
`,
});

export type RedirectAnswer = 'redirected' | 'gone' | 'changed';

/** @param json the record as Redis has it */
export async function redirect(
  redis: RedisPort,
  keys: LaneKeys,
  { record, json }: { readonly record: SegmentRecord | SpilledRecord; readonly json: string },
  bucket: string,
): Promise<RedirectAnswer> {
  if (record.v === 1) throw new Error(`redirecting segment ${record.id}: its record names no bucket`);
  const after = JSON.stringify({ ...record, redirectedFrom: record.redirectedFrom ?? record.bucket, bucket });
  const reply = await redirectStep.run(redis, keys, { segment: record.id, before: json, after });
  return oneOf(['redirected', 'gone', 'changed'], reply, `redirecting segment ${record.id}`);
}

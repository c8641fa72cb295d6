import { type SegmentRecord, spilledRecord } from '@sink/domain';
import type { LaneKeys } from '../keys.ts';
import { badBacklog, recordCost } from '../lua/lane.ts';
import type { RedisPort } from '../port.ts';
import { oneOf } from '../reply.ts';
import { step } from '../step.ts';

/**
 * adopt: a spool file is marked for release, and Redis knows nothing of its segment. The file gets a spilled record again
 * if it may be the only copy.
 *
 * In: the segment's id, its spilled record as JSON, its events and bytes, the ids of its chunks.
 * Answers: `adopted`; `known`: there is a record; `superfluous`: one of its chunks is in Redis. Only the first changes
 * anything.
 * Checked before the first write: the records, the counters of the backlog, every chunk.
 *
 * - A chunk in Redis means that the segment was committed by a process that did not see the mark, or that Redis failed over
 *   to a moment before the seal and the chunks are sealed anew.
 * - No chunk means that it was committed too, or that Redis lost it and started empty. Then the file may be the only copy;
 *   if it is not, another upload of it changes nothing.
 */
export const adoptStep = step({
  name: 'adopt',
  draining: true,
  keys: ['left', 'records', 'spilled', 'backlog'],
  args: { segment: 'text', place: 'text', count: 'text', bytes: 'text', chunkIds: 'list' },
  uses: [badBacklog, recordCost],
  lua: `
if redis.call('HEXISTS', records, segment) == 1 or redis.call('HEXISTS', spilled, segment) == 1 then return 'known' end
local bad = badBacklog(backlog, {'events', 'bytes', 'spilledEvents', 'spilledBytes'})
if bad then return bad end
for _, chunk in ipairs(chunkIds) do
  if redis.call('HEXISTS', left, chunk) == 1 then return 'superfluous' end
end
redis.call('HSET', spilled, segment, place)
redis.call('HINCRBY', backlog, 'bytes', recordCost(place))
redis.call('HINCRBY', backlog, 'spilledEvents', count)
redis.call('HINCRBY', backlog, 'spilledBytes', bytes)
return 'adopted'
`,
});

/** `known`: there is a record; `superfluous`: its events are stored elsewhere. */
export type AdoptAnswer = 'adopted' | 'known' | 'superfluous';

export async function adopt(
  redis: RedisPort,
  keys: LaneKeys,
  record: SegmentRecord,
  spoolId: string,
): Promise<AdoptAnswer> {
  const reply = await adoptStep.run(redis, keys, {
    segment: record.id,
    place: JSON.stringify(spilledRecord(record, spoolId)),
    count: record.count,
    bytes: record.bytes,
    chunkIds: record.slices.map(([chunk]) => chunk),
  });
  return oneOf(['adopted', 'known', 'superfluous'], reply, `adopting segment ${record.id}`);
}

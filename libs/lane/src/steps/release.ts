import { type SegmentRecord, spilledRecord } from '@sink/domain';
import type { LaneKeys } from '../keys.ts';
import { badBacklog, readRecord, recordCost } from '../lua/lane.ts';
import { restOfSlices, takeSlicesAway } from '../lua/slices.ts';
import type { RedisPort } from '../port.ts';
import { oneOf } from '../reply.ts';
import { step } from '../step.ts';

/**
 * release: the segment is in a spool file that is durable and marked, so that no process deletes it for want of a record.
 * Its chunks leave Redis as with a commit, and a spilled record replaces its record (docs/protocol.md, R23, R26).
 *
 * In: the segment's id, its spilled record as JSON, its bucket ('': it names none).
 * Answers: `released`, also if it was before; `elsewhere`: another spilled record has this id; `gone`: there is no record,
 * so it was committed before; `changed`: the record names another bucket since it was read; `damaged`: the counters of its
 * chunks contradict the record. Only the first changes anything.
 * Checked before the first write: the records, the types of the keys, the counters of the backlog, every slice.
 */
export const releaseStep = step({
  name: 'release',
  draining: true,
  keys: ['chunks', 'taken', 'left', 'records', 'spilled', 'backlog'],
  args: { segment: 'text', place: 'text', bucket: 'text' },
  uses: [badBacklog, readRecord, recordCost, restOfSlices, takeSlicesAway],
  lua: `
local there = redis.call('HGET', spilled, segment)
if there then return there == place and 'released' or 'elsewhere' end
local json = redis.call('HGET', records, segment)
if not json then return 'gone' end
local record, newer = readRecord(segment, json)
if newer then return newer end
if (record.bucket or '') ~= bucket then return 'changed' end -- rule: release.own-bucket
redis.call('XLEN', chunks)
redis.call('HLEN', taken)
local bad = badBacklog(backlog, {'events', 'bytes', 'spilledEvents', 'spilledBytes'})
if bad then return bad end
local slices = record.slices
local rest, cost = restOfSlices(left, slices)
if not rest then return 'damaged' end

local events, bytes = takeSlicesAway(chunks, taken, left, slices, rest, cost)
redis.call('HDEL', records, segment) -- rule: release.record
redis.call('HSET', spilled, segment, place)
redis.call('HINCRBY', backlog, 'events', 0 - events)
redis.call('HINCRBY', backlog, 'bytes', recordCost(place) - recordCost(json) - bytes)
redis.call('HINCRBY', backlog, 'spilledEvents', record.count)
redis.call('HINCRBY', backlog, 'spilledBytes', record.bytes)
return 'released'
`,
});

/** `gone`: committed before; `elsewhere`: another spool directory holds it; `changed`: it was redirected meanwhile. */
export type ReleaseAnswer = 'released' | 'gone' | 'elsewhere' | 'changed';

export async function release(
  redis: RedisPort,
  keys: LaneKeys,
  record: SegmentRecord,
  spoolId: string,
): Promise<ReleaseAnswer> {
  const place = JSON.stringify(spilledRecord(record, spoolId));
  const bucket = 'bucket' in record ? record.bucket : '';
  const reply = await releaseStep.run(redis, keys, { segment: record.id, place, bucket });
  return oneOf(['released', 'gone', 'elsewhere', 'changed'], reply, `releasing segment ${record.id}`);
}

import { type Destination, listOf, type Receipt, RECEIPT_VERSION, UNLISTED_MAX } from '@sink/domain';
import { type LaneKeys, manifestKeys } from '../keys.ts';
import { badBacklog, readRecord, recordCost } from '../lua/lane.ts';
import { restOfSlices, takeSlicesAway } from '../lua/slices.ts';
import type { RedisPort } from '../port.ts';
import { oneOf } from '../reply.ts';
import { step } from '../step.ts';

/**
 * commit: the segment is stored in S3, and its events leave Redis (docs/protocol.md, R23, R24, R69).
 *
 * In: the segment's id, its receipt as JSON and the version of it, about how many receipts are kept, the place of the object
 * or ''. A place gets a number at its first receipt, and the receipt has the number. The optional group, with manifests: the
 * receipt is also put aside for the manifest of its destination, where no cap drops it.
 * Answers: `committed`; `gone`: there is no record, so it was committed before and nothing changes; `damaged`: the counters
 * of its chunks contradict the record, nothing changes; `redirected`: its record names another bucket, nothing changes.
 * Checked before the first write: the record, the types of the keys, the counters of the backlog, that fewer than
 * `unlistedMax` objects wait for a manifest, and every slice.
 *
 * - A chunk goes when exactly nothing of it is left. The record goes in the same step, so its slices are counted down once.
 * - The chunks of a spilled segment are gone already: only its spilled record goes.
 * - With the last chunk and record the counters of the backlog go, so no error in them outlives a quiet moment.
 */
export const commitStep = step({
  name: 'commit',
  draining: true,
  keys: ['chunks', 'taken', 'left', 'records', 'spilled', 'backlog', 'receipts', 'places'],
  args: { segment: 'text', receipt: 'text', version: 'text', receiptsMax: 'text', place: 'text', bucket: 'text' },
  optional: { keys: ['unlisted', 'waitingIn'], args: { list: 'text', unlistedMax: 'number' } },
  uses: [badBacklog, readRecord, recordCost, restOfSlices, takeSlicesAway],
  lua: `
local home = redis.call('HEXISTS', records, segment) == 1 and records or spilled
local json = redis.call('HGET', home, segment)
if not json then return 'gone' end
local record, newer = readRecord(segment, json)
if newer then return newer end
if record.bucket and record.bucket ~= bucket then return 'redirected' end -- rule: commit.own-bucket
redis.call('XLEN', chunks)
redis.call('HLEN', taken)
redis.call('HLEN', spilled)
redis.call('XLEN', receipts)
local number = redis.call('HGET', places, place) or string.format('%d', redis.call('HLEN', places) + 1)
local bad = badBacklog(backlog, {'events', 'bytes', 'spilledEvents', 'spilledBytes'})
if bad then return bad end
local waiting = 0
if unlisted then
  local objects = 0
  waiting = tonumber(redis.call('HGET', unlisted, list)) or 0
  for _, count in ipairs(redis.call('HVALS', unlisted)) do objects = objects + (tonumber(count) or 0) end
  redis.call('HLEN', waitingIn)
  if objects >= unlistedMax then return redis.error_reply('UNLISTED ' .. objects .. ' objects wait for a manifest') end
end
local slices = record.slices
if home == spilled then slices = {} end
local rest, cost = restOfSlices(left, slices)
if not rest then return 'damaged' end

local events, bytes = takeSlicesAway(chunks, taken, left, slices, rest, cost)
redis.call('HDEL', home, segment) -- rule: commit.record
if redis.call('HLEN', left) == 0 and redis.call('HLEN', records) == 0 and redis.call('HLEN', spilled) == 0 then
  redis.call('DEL', backlog)
else
  redis.call('HINCRBY', backlog, 'events', 0 - events)
  redis.call('HINCRBY', backlog, 'bytes', -(bytes + recordCost(json)))
  if home == spilled then
    redis.call('HINCRBY', backlog, 'spilledEvents', -record.count)
    redis.call('HINCRBY', backlog, 'spilledBytes', -record.bytes)
  end
end
if place == '' then
  redis.call('XADD', receipts, 'MAXLEN', '~', receiptsMax, '*', 'v', version, 'r', receipt)
else
  redis.call('HSET', places, place, number)
  redis.call('XADD', receipts, 'MAXLEN', '~', receiptsMax, '*', 'v', version, 'r', receipt, 'p', number)
end
if unlisted then
  local added = redis.call('HSET', waitingIn, segment, receipt)
  redis.call('HSET', unlisted, list, string.format('%d', waiting + added))
end
return 'committed'
`,
});

/** `gone`: committed before; `redirected`: the object is in a bucket that the record does not name any more. */
export type CommitAnswer = 'committed' | 'gone' | 'redirected';

export interface CommitOptions {
  /** About how many receipts are kept. */
  readonly receiptsMax: number;
  /** The destination whose manifest has to list the object; absent: no manifest has to. */
  readonly listIn?: Destination | undefined;
  /** Where the object is stored; '': the receipt does not say it. */
  readonly place: string;
}

export async function commit(
  redis: RedisPort,
  keys: LaneKeys,
  receipt: Receipt,
  { receiptsMax, listIn, place }: CommitOptions,
): Promise<CommitAnswer> {
  const manifest = listIn === undefined ? undefined : listing(keys, listIn);
  const bucket = receipt.v === RECEIPT_VERSION ? '' : receipt.bucket;
  const args = {
    segment: receipt.id,
    receipt: JSON.stringify(receipt),
    version: receipt.v,
    receiptsMax,
    place,
    bucket,
  };
  const reply = await commitStep.run(redis, keys, args, manifest);
  return oneOf(['committed', 'gone', 'redirected'], reply, `committing segment ${receipt.id}`);
}

function listing(keys: LaneKeys, destination: Destination) {
  const list = listOf(destination);
  const { waitingIn } = manifestKeys(keys, destination);
  return { unlisted: keys.unlisted, waitingIn, list, unlistedMax: UNLISTED_MAX };
}

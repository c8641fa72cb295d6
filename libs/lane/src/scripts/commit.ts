import { PAGES } from './pages.ts';
import { drainingScript } from './script.ts';
import { LOOK_AT_BACKLOG, LOOK_AT_SLICES, READ_RECORD, TAKE_SLICES_AWAY } from './slices.ts';

/**
 * commit: the segment stands in S3. No record: committed before, nothing changes. A chunk goes when exactly nothing of it
 * is left; the record goes in the same step, so its slices are counted down once. Of a spilled segment only the record is
 * left to go. With manifests the receipt is put aside until a manifest lists it, where no cap drops it: there may be no more
 * than so many, and one more is refused. Everything that could fail is looked at before the first write. With the last chunk and record the backlog's
 * counters go, so no error in them outlives a quiet moment.
 */
export const commit = drainingScript(
  'commit',
  `
local chunks, taken, left, records, spilled, backlog, receipts = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local segment, receipt, receiptsMax, overhead = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local unlisted, ofPartition, partition, unlistedMax = KEYS[8], KEYS[9], ARGV[5], tonumber(ARGV[6])

local home = redis.call('HEXISTS', records, segment) == 1 and records or spilled
local json = redis.call('HGET', home, segment)
if not json then return 'gone' end
${READ_RECORD}
redis.call('XLEN', chunks)
redis.call('HLEN', taken)
redis.call('HLEN', spilled)
redis.call('XLEN', receipts)
${LOOK_AT_BACKLOG}
local waiting = 0
if unlisted then
  local objects = 0
  waiting = tonumber(redis.call('HGET', unlisted, partition)) or 0
  for _, count in ipairs(redis.call('HVALS', unlisted)) do objects = objects + (tonumber(count) or 0) end
  redis.call('HLEN', ofPartition)
  if objects >= unlistedMax then return redis.error_reply('UNLISTED ' .. objects .. ' objects wait for a manifest') end
end
local slices = record.slices
if home == spilled then slices = {} end
${PAGES}
${LOOK_AT_SLICES}
${TAKE_SLICES_AWAY}
redis.call('HDEL', home, segment) -- rule: commit.record
if redis.call('HLEN', left) == 0 and redis.call('HLEN', records) == 0 and redis.call('HLEN', spilled) == 0 then
  redis.call('DEL', backlog)
else
  redis.call('HINCRBY', backlog, 'events', 0 - events)
  redis.call('HINCRBY', backlog, 'bytes', -(bytes + math.ceil(#json * 1.25) + overhead))
  if home == spilled then
    redis.call('HINCRBY', backlog, 'spilledEvents', -record.count)
    redis.call('HINCRBY', backlog, 'spilledBytes', -record.bytes)
  end
end
redis.call('XADD', receipts, 'MAXLEN', '~', receiptsMax, '*', 'v', '1', 'r', receipt)
if unlisted then
  local added = redis.call('HSET', ofPartition, segment, receipt)
  redis.call('HSET', unlisted, partition, string.format('%d', waiting + added))
end
return 'committed'
`,
);

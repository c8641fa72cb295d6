import { drainingScript } from './script.ts';
import { LOOK_AT_BACKLOG, LOOK_AT_SLICES, READ_RECORD, TAKE_SLICES_AWAY } from './slices.ts';

/**
 * commit: the segment stands in S3. No record: committed before, nothing changes. A chunk goes when exactly nothing of it
 * is left; the record goes in the same step, so its slices are counted down once. Of a spilled segment only the record is
 * left to go. Everything that could fail is looked at before the first write. With the last chunk and record the backlog's
 * counters go, so no error in them outlives a quiet moment.
 */
export const commit = drainingScript(
  'commit',
  `
local chunks, taken, left, records, spilled, backlog, receipts = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local segment, receipt, receiptsMax, overhead = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local home = redis.call('HEXISTS', records, segment) == 1 and records or spilled
local json = redis.call('HGET', home, segment)
if not json then return 'gone' end
${READ_RECORD}
redis.call('XLEN', chunks)
redis.call('HLEN', taken)
redis.call('HLEN', spilled)
redis.call('XLEN', receipts)
${LOOK_AT_BACKLOG}
local slices = record.slices
if home == spilled then slices = {} end
${LOOK_AT_SLICES}
${TAKE_SLICES_AWAY}
redis.call('HDEL', home, segment)
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
return 'committed'
`,
);

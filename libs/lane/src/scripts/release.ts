import { PAGES } from './pages.ts';
import { drainingScript } from './script.ts';
import { LOOK_AT_BACKLOG, LOOK_AT_SLICES, READ_RECORD, TAKE_SLICES_AWAY } from './slices.ts';

/**
 * release: the segment stands in a spool file that is durable and that nobody deletes for want of a record: its chunks
 * leave Redis as with a commit, and a spilled record takes the record's place. Released before: fine. No record: committed
 * before, nothing changes. Everything that could fail is looked at before the first write.
 */
export const release = drainingScript(
  'release',
  `
local chunks, taken, left, records, spilled, backlog = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local segment, place = ARGV[1], ARGV[2]

local there = redis.call('HGET', spilled, segment)
if there then return there == place and 'released' or 'elsewhere' end
local json = redis.call('HGET', records, segment)
if not json then return 'gone' end
${READ_RECORD}
redis.call('XLEN', chunks)
redis.call('HLEN', taken)
${LOOK_AT_BACKLOG}
local slices = record.slices
${PAGES}
${LOOK_AT_SLICES}
${TAKE_SLICES_AWAY}
redis.call('HDEL', records, segment) -- rule: release.record
redis.call('HSET', spilled, segment, place)
redis.call('HINCRBY', backlog, 'events', 0 - events)
redis.call('HINCRBY', backlog, 'bytes', math.ceil(#place * 1.25) - math.ceil(#json * 1.25) - bytes)
redis.call('HINCRBY', backlog, 'spilledEvents', record.count)
redis.call('HINCRBY', backlog, 'spilledBytes', record.bytes)
return 'released'
`,
);

/**
 * adopt: there is a spool file that was marked for release, and Redis knows nothing of its segment. One of its chunks is
 * there: the segment was committed by somebody who did not see the mark, or Redis failed over to a moment before the seal
 * and the chunks are sealed anew; the file is superfluous. None of them: committed too, or Redis lost it and started empty.
 * Then the file may be the only copy; it is given a spilled record again, and uploading it once more changes nothing.
 */
export const adopt = drainingScript(
  'adopt',
  `
local left, records, spilled, backlog = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local segment, place, overhead, count, bytes = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]

if redis.call('HEXISTS', records, segment) == 1 or redis.call('HEXISTS', spilled, segment) == 1 then return 'known' end
${LOOK_AT_BACKLOG}
for i = 6, #ARGV do
  if redis.call('HEXISTS', left, ARGV[i]) == 1 then return 'superfluous' end
end
redis.call('HSET', spilled, segment, place)
redis.call('HINCRBY', backlog, 'bytes', math.ceil(#place * 1.25) + overhead)
redis.call('HINCRBY', backlog, 'spilledEvents', count)
redis.call('HINCRBY', backlog, 'spilledBytes', bytes)
return 'adopted'
`,
);

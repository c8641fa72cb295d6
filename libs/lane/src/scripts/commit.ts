import { drainingScript } from './script.ts';

/**
 * commit: the segment stands in S3. No record: committed before, nothing changes. A chunk goes when exactly nothing of it
 * is left; the record goes in the same step, so its slices are counted down once. Everything that could fail is looked at
 * before the first write. With the last chunk and record the backlog's counters go, so no error in them outlives a quiet
 * moment.
 */
export const commit = drainingScript(
  'commit',
  `
local chunks, taken, left, records, backlog, receipts = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local segment, receipt, receiptsMax, overhead = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local json = redis.call('HGET', records, segment)
if not json then return 'gone' end
local record = cjson.decode(json)
if record.v ~= 1 then return redis.error_reply('NEWER record ' .. segment .. ' was written by a newer release') end
redis.call('XLEN', chunks)
redis.call('HLEN', taken)
redis.call('XLEN', receipts)
for _, counter in ipairs({'events', 'bytes'}) do
  if not string.match(redis.call('HGET', backlog, counter) or '0', '^%-?%d+$') then
    return redis.error_reply('FOREIGN the backlog is not readable')
  end
end

local slices, rest, cost = record.slices, {}, {}
for i, slice in ipairs(slices) do
  local state = redis.call('HGET', left, slice[1])
  local events, bytes
  if state and string.match(slice[1], '^%d+%-%d+$') then events, bytes = string.match(state, '^(%d+) (%d+)$') end
  if not events or tonumber(events) < slice[3] - slice[2] then return 'damaged' end
  rest[i], cost[i] = tonumber(events) - (slice[3] - slice[2]), tonumber(bytes)
end

local events, bytes = 0, math.ceil(#json * 1.25) + overhead
for i, slice in ipairs(slices) do
  events = events + slice[3] - slice[2]
  if rest[i] == 0 then
    redis.call('XDEL', chunks, slice[1])
    redis.call('HDEL', taken, slice[1])
    redis.call('HDEL', left, slice[1])
    bytes = bytes + cost[i]
  else
    redis.call('HSET', left, slice[1], string.format('%d %d', rest[i], cost[i]))
  end
end
redis.call('HDEL', records, segment)
if redis.call('HLEN', left) == 0 and redis.call('HLEN', records) == 0 then
  redis.call('DEL', backlog)
else
  redis.call('HINCRBY', backlog, 'events', -events)
  redis.call('HINCRBY', backlog, 'bytes', -bytes)
end
redis.call('XADD', receipts, 'MAXLEN', '~', receiptsMax, '*', 'v', '1', 'r', receipt)
return 'committed'
`,
);

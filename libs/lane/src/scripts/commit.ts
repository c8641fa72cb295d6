import { drainingScript } from './script.ts';

/**
 * commit: the segment stands in S3. No record: committed before, nothing changes. A chunk goes when exactly nothing of it
 * is left; the record goes in the same step, so its slices are counted down once.
 */
export const commit = drainingScript(
  'commit',
  `
local chunks, taken, left, records, backlog, receipts = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local segment, receipt, receiptsMax, overhead = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local json = redis.call('HGET', records, segment)
if not json then return 'gone' end
local slices = cjson.decode(json).slices
local rest, cost = {}, {}
for i, slice in ipairs(slices) do
  local state = redis.call('HGET', left, slice[1])
  local events, bytes
  if state then events, bytes = string.match(state, '^(%d+) (%d+)$') end
  if not events or tonumber(events) < slice[3] - slice[2] then return 'damaged' end
  rest[i], cost[i] = tonumber(events) - (slice[3] - slice[2]), tonumber(bytes)
end

local events, bytes = 0, #json + overhead
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
redis.call('HINCRBY', backlog, 'events', -events)
redis.call('HINCRBY', backlog, 'bytes', -bytes)
redis.call('XADD', receipts, 'MAXLEN', '~', receiptsMax, '*', 'v', '1', 'r', receipt)
return 'committed'
`,
);

/**
 * What commit and release share: a segment's slices leave Redis, because its events stand elsewhere.
 *
 * LOOK_AT_SLICES wants `slices`, `left` and PAGES, and makes `rest` and `cost`, or answers `damaged`. TAKE_SLICES_AWAY wants
 * these and `chunks` and `taken`, and makes `events` and `bytes`: what the backlog is less by. A chunk goes when exactly nothing of it
 * is left. (`0 - events`, where it is subtracted: Lua's -0 is no integer to Redis.)
 */
export const LOOK_AT_SLICES = `
local rest, cost, sliced = {}, {}, {}
for i, slice in ipairs(slices) do sliced[i] = slice[1] end
local states = values(left, sliced)
for i, slice in ipairs(slices) do
  local state = states[i]
  local events, bytes
  if state and string.find(slice[1], '^%d+%-%d+$') then events, bytes = string.match(state, '^(%d+) (%d+)$') end
  rest[i], cost[i] = events and events - (slice[3] - slice[2]) or -1, tonumber(bytes)
  if rest[i] < 0 then return 'damaged' end
end
`;

export const TAKE_SLICES_AWAY = `
local events, bytes, gone = 0, 0, {}
for i, slice in ipairs(slices) do
  events = events + slice[3] - slice[2]
  if rest[i] == 0 then -- rule: commit.nothing-left
    gone[#gone + 1] = slice[1]
    bytes = bytes + cost[i]
  else
    redis.call('HSET', left, slice[1], string.format('%d %d', rest[i], cost[i]))
  end
end
pages(gone, function(...) redis.call('XDEL', chunks, ...) end)
pages(gone, function(...) redis.call('HDEL', taken, ...) end)
pages(gone, function(...) redis.call('HDEL', left, ...) end)
`;

/** Refuses a backlog whose counters are not numbers, before the first write. Wants `backlog`. */
export const LOOK_AT_BACKLOG = `
for _, counter in ipairs({'events', 'bytes', 'spilledEvents', 'spilledBytes'}) do
  if not string.match(redis.call('HGET', backlog, counter) or '0', '^%-?%d+$') then
    return redis.error_reply('FOREIGN the backlog is not readable')
  end
end
`;

/** Makes `record`; refuses one of a newer release, or whose sizes can not be counted. Wants `json` and `segment`. */
export const READ_RECORD = `
local record = cjson.decode(json)
if record.v ~= 1 then return redis.error_reply('NEWER record ' .. segment .. ' was written by a newer release') end
if type(record.count) ~= 'number' or type(record.bytes) ~= 'number' then
  return redis.error_reply('FOREIGN record ' .. segment .. ' is not readable')
end
`;

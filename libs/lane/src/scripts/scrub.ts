import { drainingScript } from './script.ts';

/**
 * scrub: puts chunks that are not wholly taken but in nobody's pending list (an operator's XGROUP DELCONSUMER, a failover)
 * back, into the caller's. It walks the counters, a page at a time, never the stream. Only ids up to the group's
 * last-delivered-id: a forced claim does not move that id, so a later one would be handed to somebody else as well.
 */
export const scrub = drainingScript(
  'scrub',
  `
local chunks, taken = KEYS[1], KEYS[2]
local group, me, cursor, page = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('EXISTS', chunks) == 0 then return {'0', 0} end
local delivered
for _, info in ipairs(redis.call('XINFO', 'GROUPS', chunks)) do
  local fields = {}
  for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
  if fields['name'] == group then delivered = fields['last-delivered-id'] end
end
if not delivered then return {'0', 0} end
-- An id in a form that sorts as text: its halves have up to 20 digits, more than a Lua number holds exactly.
local function order(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return ms and string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #n) .. n
end
local last = order(delivered)

local scanned = redis.call('HSCAN', taken, cursor, 'COUNT', page)
local restored = 0
for i = 1, #scanned[2], 2 do
  local id = scanned[2][i]
  local at, count = string.match(scanned[2][i + 1], '^(%d+)/(%d+)$')
  local place = order(id)
  if at ~= count and place and place <= last and #redis.call('XPENDING', chunks, group, id, id, 1) == 0 then
    restored = restored + #redis.call('XCLAIM', chunks, group, me, 0, id, 'FORCE', 'JUSTID')
  end
end
return {scanned[1], restored}
`,
);

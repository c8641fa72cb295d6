import { PAGES } from './pages.ts';
import { drainingScript } from './script.ts';

/**
 * seal: decides, once, which events go into which object.
 *
 * The identical record under that id: sealed already. Another one: refused. Every slice must begin where its chunk was
 * taken up to, no chunk may come twice; else nothing changes and the answer names the slices. A missing counter is no
 * zero: the chunk was committed. Everything that could fail is looked at before the first write. Chunks that are wholly
 * taken leave the pending list, so that list holds exactly what was delivered and is not wholly sealed.
 */
export const seal = drainingScript(
  'seal',
  `
local chunks, taken, records, backlog = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local segment, json, group, overhead = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local stored = redis.call('HGET', records, segment)
if stored then
  if stored ~= json then return {'refused'} end -- rule: seal.same-record
  redis.call('HSET', records, segment, json)
  return {'sealed'}
end

redis.call('XLEN', chunks)
if not string.match(redis.call('HGET', backlog, 'bytes') or '0', '^%-?%d+$') then
  return redis.error_reply('FOREIGN the backlog is not readable')
end
${PAGES}
local slices, sliced = cjson.decode(json).slices, {}
for i, slice in ipairs(slices) do sliced[i] = slice[1] end
local states = values(taken, sliced)
-- The states of most slices read the same: each text is taken apart once.
local parsed = {}
local function parse(state)
  local at, count = string.match(state, '^(%d+)/(%d+)$')
  local counters = {at = tonumber(at), count = tonumber(count), whole = count and count .. '/' .. count}
  parsed[state] = counters
  return counters
end
local answer, seen, marks, whole = {'refused'}, {}, {}, {}
for i, slice in ipairs(slices) do
  local chunk, from, to = slice[1], slice[2], slice[3]
  local state = states[i]
  local counters = state and (parsed[state] or parse(state))
    or {} -- rule: seal.uncounted
  local count = counters.count
  if
    counters.at ~= from or -- rule: seal.from
    seen[chunk] or to <= from or to > count or to % 1 ~= 0 or not string.find(chunk, '^%d+%-%d+$')
  then
    answer[#answer + 1] = chunk
  end
  seen[chunk] = true
  marks[2 * i - 1], marks[2 * i] = chunk, to == count and counters.whole or string.format('%d/%d', to, count or 0)
  if to == count then whole[#whole + 1] = chunk end
end
if #answer > 1 or #slices == 0 then return answer end

pages(marks, function(...) redis.call('HSET', taken, ...) end)
pages(whole, function(...) redis.call('XACK', chunks, group, ...) end) -- rule: seal.acknowledge
redis.call('HSET', records, segment, json)
redis.call('HINCRBY', backlog, 'bytes', math.ceil(#json * 1.25) + overhead)
return {'sealed'}
`,
);

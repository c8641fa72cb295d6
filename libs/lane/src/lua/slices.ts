import type { LuaFunction } from '../step.ts';

/** Members in one command: Lua unpacks no more than some 8,000. */
const PAGE = 1000;

/**
 * pages(members, call): calls `call` with all members, many at a time. Each command of its own takes a script nearly 2 µs
 * while Redis serves no other client, and 100 bytes of the append-only file: with one command for each slice, a seal and a
 * commit of 4,000 slices held Redis up for 20 ms and 28 ms.
 */
export const pages: LuaFunction = {
  name: 'pages',
  uses: [],
  lua: `
local function pages(members, call)
  for from = 1, #members, ${PAGE} do call(unpack(members, from, math.min(from + ${PAGE - 1}, #members))) end
end
`,
};

/** chunksOf(slices): the ids of their chunks, in order. */
export const chunksOf: LuaFunction = {
  name: 'chunksOf',
  uses: [],
  lua: `
local function chunksOf(slices)
  local ids = {}
  for i, slice in ipairs(slices) do ids[i] = slice[1] end
  return ids
end
`,
};

/** values(key, fields): the values of these fields of a hash, false for a field that it does not have. */
export const values: LuaFunction = {
  name: 'values',
  uses: [pages],
  lua: `
local function values(key, fields)
  local all = {}
  pages(fields, function(...)
    for _, value in ipairs(redis.call('HMGET', key, ...)) do all[#all + 1] = value end
  end)
  return all
end
`,
};

/**
 * restOfSlices(left, slices): two lists, how many events of its chunk are left without the slice, and the chunk's cost.
 * nil if a chunk has no counter, or fewer events left than the slice has. Reads only.
 */
export const restOfSlices: LuaFunction = {
  name: 'restOfSlices',
  uses: [values, chunksOf],
  lua: `
local function restOfSlices(left, slices)
  local rest, cost = {}, {}
  local states = values(left, chunksOf(slices))
  for i, slice in ipairs(slices) do
    local state = states[i]
    local events, bytes
    if state and string.find(slice[1], '^%d+%-%d+$') then events, bytes = string.match(state, '^(%d+) (%d+)$') end
    rest[i], cost[i] = events and events - (slice[3] - slice[2]) or -1, tonumber(bytes)
    if rest[i] < 0 then return nil end
  end
  return rest, cost
end
`,
};

/**
 * takeSlicesAway(chunks, taken, left, slices, rest, cost): the slices leave Redis, because their events are stored elsewhere; a
 * chunk is deleted when exactly nothing of it is left. Returns by how many events and bytes the backlog is smaller. The
 * caller subtracts events as `0 - events`: Redis does not accept Lua's -0 as an integer.
 */
export const takeSlicesAway: LuaFunction = {
  name: 'takeSlicesAway',
  uses: [pages],
  lua: `
local function takeSlicesAway(chunks, taken, left, slices, rest, cost)
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
  return events, bytes
end
`,
};

import { RECORD_VERSION, ROUTED_RECORD_VERSION } from '@sink/domain';
import { RECORD_JSON_FACTOR, RECORD_OVERHEAD_BYTES } from '../cost.ts';
import type { LuaFunction } from '../step.ts';

/** clockMs(): Redis' clock, Unix time in milliseconds, as text: a Lua number of that size loses digits when it is joined. */
export const clockMs: LuaFunction = {
  name: 'clockMs',
  uses: [],
  lua: `
local function clockMs()
  local now = redis.call('TIME')
  return now[1] .. string.format('%03d', math.floor(tonumber(now[2]) / 1000))
end
`,
};

/** groupOf(chunks, group): what XINFO says of the consumer group, nil without it. The stream has to exist. */
export const groupOf: LuaFunction = {
  name: 'groupOf',
  uses: [],
  lua: `
local function groupOf(chunks, group)
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', chunks)) do
    local fields = {}
    for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
    if fields['name'] == group then return fields end
  end
end
`,
};

/** isCounter(value): whether HINCRBY can change it. A field that is missing counts as 0. */
export const isCounter: LuaFunction = {
  name: 'isCounter',
  uses: [],
  lua: `
local function isCounter(value) return string.match(value or '0', '^%-?%d+$') end
`,
};

/** badBacklog(backlog, counters): an error reply if one of these counters is not a number, else nil. Reads only. */
export const badBacklog: LuaFunction = {
  name: 'badBacklog',
  uses: [isCounter],
  lua: `
local function badBacklog(backlog, counters)
  for _, counter in ipairs(counters) do
    if not isCounter(redis.call('HGET', backlog, counter)) then
      return redis.error_reply('FOREIGN the backlog is not readable')
    end
  end
end
`,
};

/** readRecord(segment, json): the record, or nil and an error reply if a newer release wrote it or it has no sizes. */
export const readRecord: LuaFunction = {
  name: 'readRecord',
  uses: [],
  lua: `
local function readRecord(segment, json)
  local record = cjson.decode(json)
  if record.v ~= ${RECORD_VERSION} and record.v ~= ${ROUTED_RECORD_VERSION} then
    return nil, redis.error_reply('NEWER record ' .. segment .. ' was written by a newer release')
  end
  if type(record.count) ~= 'number' or type(record.bytes) ~= 'number' then
    return nil, redis.error_reply('FOREIGN record ' .. segment .. ' is not readable')
  end
  return record
end
`,
};

/** recordCost(json): the record's share of the backlog's bytes (cost.ts). */
export const recordCost: LuaFunction = {
  name: 'recordCost',
  uses: [],
  lua: `
local function recordCost(json) return math.ceil(#json * ${RECORD_JSON_FACTOR}) + ${RECORD_OVERHEAD_BYTES} end
`,
};

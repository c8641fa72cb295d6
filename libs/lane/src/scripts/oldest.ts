import { drainingScript } from './script.ts';

/** The id of the oldest chunk that is not wholly sealed: pending with somebody, or not delivered yet. Reads only. */
export const oldestUnsealed = drainingScript(
  'oldestUnsealed',
  `
local chunks, group = KEYS[1], ARGV[1]
if redis.call('EXISTS', chunks) == 0 then return false end
local pending = redis.call('XPENDING', chunks, group)
if pending[1] > 0 then return pending[2] end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', chunks)) do
  local fields = {}
  for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
  if fields['name'] == group then
    local rest = redis.call('XRANGE', chunks, '(' .. fields['last-delivered-id'], '+', 'COUNT', 1)
    return rest[1] and rest[1][1]
  end
end
return false
`,
);

import { drainingScript } from './script.ts';

/**
 * open: makes the lane's metadata (format version and uid), its stream and its consumer group where they are missing, and
 * answers the uid. A lane of a newer format is refused and left as it is.
 */
export const open = drainingScript(
  'open',
  `
local chunks, meta = KEYS[1], KEYS[2]
local group, uid, version = ARGV[1], ARGV[2], ARGV[3]

local stored = redis.call('HGET', meta, 'v')
if stored and stored ~= version then return {'version', stored} end
local found = false
if redis.call('EXISTS', chunks) == 1 then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', chunks)) do
    for i = 1, #info, 2 do
      if info[i] == 'name' and info[i + 1] == group then found = true end
    end
  end
end
redis.call('HSETNX', meta, 'v', version)
redis.call('HSETNX', meta, 'uid', uid)
if not found then redis.call('XGROUP', 'CREATE', chunks, group, '0', 'MKSTREAM') end
return {'open', redis.call('HGET', meta, 'uid')}
`,
);

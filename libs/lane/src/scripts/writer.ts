import { drainingScript, script } from './script.ts';

/**
 * register: a new writer id, from Redis. It holds the lane's uid, so a writer of a Redis that has since started empty is
 * unknown there. Two executions make two writers; nobody ever gets an id that was somebody else's.
 */
export const registerWriter = script(
  'registerWriter',
  `
local meta, writers = KEYS[1], KEYS[2]
local uid = redis.call('HGET', meta, 'uid')
if not uid then return redis.error_reply('NOLANE the lane was never opened, or Redis lost it') end
redis.call('HLEN', writers)
local now = redis.call('TIME')
local writer = uid .. '.' .. redis.call('HINCRBY', meta, 'writers', 1)
redis.call('HSET', writers, writer, '0 new ' .. now[1] .. string.format('%03d', math.floor(tonumber(now[2]) / 1000)))
return writer
`,
);

/**
 * retire: forgets writers that have not appended for a long time, a page at a time. Forgetting one is safe at any time: an
 * append of an unknown writer is refused, never taken for new.
 */
export const retireWriters = drainingScript(
  'retireWriters',
  `
local writers = KEYS[1]
local cursor, idleMs, page = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local now = redis.call('TIME')
local nowMs = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local scanned = redis.call('HSCAN', writers, cursor, 'COUNT', page)
local retired = 0
for i = 1, #scanned[2], 2 do
  local usedAt = string.match(scanned[2][i + 1], '(%d+)$')
  if usedAt and nowMs - tonumber(usedAt) > idleMs then retired = retired + redis.call('HDEL', writers, scanned[2][i]) end
end
return {scanned[1], retired}
`,
);

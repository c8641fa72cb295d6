import { createHash } from 'node:crypto';
import type { Script } from '@sink/lane';

/** What the world itself asks of Redis, each in one round trip: they happen in every world some fifty times. */
function look(name: string, lua: string): Script {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

/** The records, and how many chunks are pending although wholly sealed. */
export const SEALED = look(
  'sealed',
  `
local chunks, taken, records, group = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local sealed = 0
local pending = redis.pcall('XPENDING', chunks, group, '-', '+', 1000)
if not pending.err then
  for _, entry in ipairs(pending) do
    local at, count = string.match(redis.call('HGET', taken, entry[1]) or '', '^(%d+)/(%d+)$')
    if at and at == count then sealed = sealed + 1 end
  end
end
return {sealed, redis.call('HVALS', records)}
`,
);

/** Sizes of all that a lane keeps on the way, in the order of the keys; then the counters that are not zero, and the pending list. */
export const LEFTOVERS = look(
  'leftovers',
  `
local sizes = {redis.call('XLEN', KEYS[1])}
for i = 2, 5 do sizes[i] = redis.call('HLEN', KEYS[i]) end
sizes[6] = 0
for _, counter in ipairs(redis.call('HVALS', KEYS[6])) do
  if tonumber(counter) ~= 0 then sizes[6] = sizes[6] + 1 end
end
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
sizes[7] = pending.err and 0 or pending[1]
return sizes
`,
);

/**
 * Leases of the dead lapse (those that match ARGV[1] and are none of the others). All writers are forgotten, not only those
 * of killed ingests: who lives registers again.
 */
export const EXPIRE_DEAD = look(
  'expireDead',
  `
local living = {}
for i = 2, #ARGV do living[ARGV[i]] = true end
for _, lease in ipairs(redis.call('KEYS', ARGV[1])) do
  if not living[lease] then redis.call('DEL', lease) end
end
redis.call('DEL', KEYS[1])
`,
);

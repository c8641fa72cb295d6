/** The world's own queries of Redis. Each takes one round trip, because every world makes some fifty of them. */
import { script } from '@sink/lane';

/** The records, and the number of chunks that are pending although they are wholly sealed. */
export const SEALED = script(
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

/** The sizes of a lane's keys in their order, then the number of counters that are not zero, of pending chunks, and of writers. */
export const LEFTOVERS = script(
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
sizes[8] = redis.call('HLEN', KEYS[7])
return sizes
`,
);

/** Deletes the leases of dead actors: those that match ARGV[1] and are not among the other arguments. */
export const EXPIRE_DEAD = script(
  'expireDead',
  `
local living = {}
for i = 2, #ARGV do living[ARGV[i]] = true end
for _, lease in ipairs(redis.call('KEYS', ARGV[1])) do
  if not living[lease] then redis.call('DEL', lease) end
end
`,
);

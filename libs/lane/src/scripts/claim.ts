import { drainingScript } from './script.ts';

/**
 * claim: takes over what a dead batcher left pending, a page at a time, only if its lease is gone. The consumer is removed
 * in the same step once nothing is pending: XGROUP DELCONSUMER drops what is. Nobody claims from itself: that page would
 * never come to an end.
 */
export const claim = drainingScript(
  'claim',
  `
local chunks, lease = KEYS[1], KEYS[2]
local group, dead, me, page = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

if dead == me or redis.call('EXISTS', lease) == 1 then return {'alive', 0} end
local pending = redis.call('XPENDING', chunks, group, '-', '+', page, dead)
for _, entry in ipairs(pending) do
  redis.call('XCLAIM', chunks, group, me, 0, entry[1], 'JUSTID') -- rule: claim.all-pending
end
if #redis.call('XPENDING', chunks, group, '-', '+', 1, dead) > 0 then return {'more', #pending} end -- rule: claim.nothing-pending
redis.call('XGROUP', 'DELCONSUMER', chunks, group, dead)
return {'removed', #pending}
`,
);

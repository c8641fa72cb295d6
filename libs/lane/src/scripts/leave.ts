import { drainingScript } from './script.ts';

/**
 * leave: a batcher goes in order. Its lease goes, and in the same step its consumer, unless something is still pending with
 * it: that is for whoever claims it, and XGROUP DELCONSUMER would drop it.
 */
export const leave = drainingScript(
  'leave',
  `
local chunks, lease = KEYS[1], KEYS[2]
local group, me = ARGV[1], ARGV[2]

if redis.call('EXISTS', chunks) == 1 and #redis.call('XPENDING', chunks, group, '-', '+', 1, me) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', chunks, group, me)
end
return redis.call('DEL', lease)
`,
);

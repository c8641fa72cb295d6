import { drainingScript } from './script.ts';

/**
 * lease: the first lease of a batcher, for a name nobody had. Later it is renewed with PEXPIRE, which renews nothing once
 * the lease is gone. The own lease again is no other answer: the first one may have been lost. Leases only decide how soon somebody else takes over, never what is safe.
 */
export const takeLease = drainingScript(
  'takeLease',
  `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'taken' end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'held' end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'taken'
`,
);

import { drainingScript } from './script.ts';

/**
 * lease: the first lease of a batcher, for a name nobody had. Later it is renewed with PEXPIRE, which renews nothing once
 * the lease is gone. Leases only decide how soon somebody else takes over, never what is safe.
 */
export const takeLease = drainingScript(
  'takeLease',
  `
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 'taken' or 'held'
`,
);

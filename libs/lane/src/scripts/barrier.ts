import { drainingScript } from './script.ts';

/** barrier: a write of its own, at maxmemory too; what it reaches, every write before it has reached. */
export const barrier = drainingScript(
  'barrier',
  `
return redis.call('HINCRBY', KEYS[1], 'barriers', 1)
`,
);

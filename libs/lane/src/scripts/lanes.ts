import { drainingScript } from './script.ts';

/**
 * remember: adds lane numbers to those the sink ever used, and answers all of them. It runs at maxmemory too, or a sink
 * could not start there to drain.
 */
export const remember = drainingScript(
  'rememberLanes',
  `
for _, lane in ipairs(ARGV) do redis.call('SADD', KEYS[1], lane) end
return redis.call('SMEMBERS', KEYS[1])
`,
);

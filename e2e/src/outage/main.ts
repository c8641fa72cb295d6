import { parseArgs } from 'node:util';
import { brokenPromises } from './broken-promises.ts';
import { outage } from './outage.ts';

const MIB = 1024 * 1024;

/**
 * `npm run outage -- [--minutes N] [--backlog MIB] [--spool MIB]`: prints the result, and exits with 1 when a promise
 * or a limit was broken.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    backlog: { type: 'string', default: '64' },
    spool: { type: 'string', default: '256' },
  },
});
const limits = { backlogBytes: Number(values.backlog) * MIB, spoolBytes: Number(values.spool) * MIB };
const result = await outage({
  ...limits,
  refuseMs: Number(values.minutes) * 60_000,
  producers: 64,
  textBytes: 1_000,
});
const { lost, doubled, unknown, overwritten, batcher, ...figures } = result;
console.log(batcher.readyz);
console.log(JSON.stringify({ ...figures, lost, doubled, unknown, overwritten }, null, 2));
const broken = brokenPromises(result, limits);
if (broken.length > 0) console.log(`BROKEN\n${broken.join('\n')}`);
process.exitCode = broken.length > 0 ? 1 : 0;

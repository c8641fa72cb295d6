import { parseArgs } from 'node:util';
import { brokenPromises, page } from './page.ts';
import { describeFault, planFaults } from './plan.ts';
import { torture } from './torture.ts';

/** `npm run torture -- [--minutes N] [--seed S] [--dedupe] [--plan]`: exits with 1 when a promise was broken. */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    plan: { type: 'boolean', default: false },
    dedupe: { type: 'boolean', default: false },
  },
});
const [minutes, seed] = [positive('minutes', values.minutes), positive('seed', values.seed)];
if (values.plan) {
  for (const planned of planFaults(seed, minutes * 60_000)) console.log(describeFault(planned));
} else {
  console.log(`seed ${seed}, ${minutes} min`);
  const result = await torture(seed, minutes * 60, { dedupe: values.dedupe });
  console.log(page(result));
  // Exits at once: after half an hour of torture, Node's own cleanup of handles did not end.
  process.exit(brokenPromises(result).length > 0 ? 1 : 0);
}

function positive(option: string, given: string): number {
  const value = Number(given);
  if (!(value > 0)) throw new Error(`--${option} ${given}: give a number above 0`);
  return value;
}

import { expect, it } from 'vitest';
import { replayOf, runModel } from '../model/run-model.ts';

const WORLDS = 200;
/** Fresh in each run, and beyond the seeds of src/model/model.test.ts: runs add up to new worlds. */
const FROM = 10_000 + Math.floor(Math.random() * 1_000_000_000);

it(`${WORLDS} worlds of the model from the fresh seed ${FROM} keep every promise`, { timeout: 600_000 }, async () => {
  console.log(`the same worlds again: npm run model -- --from ${FROM} --seeds ${WORLDS}`);
  const { failing, violations, events } = await runModel({ from: FROM, seeds: WORLDS });
  expect(failing.map(replayOf), `violations: ${JSON.stringify(violations)}`).toEqual([]);
  expect(events).toBeGreaterThan(WORLDS * 20);
});

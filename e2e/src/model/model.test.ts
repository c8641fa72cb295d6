import { expect, it } from 'vitest';
import { withModelRedis } from './model-redis.ts';
import { runModel } from './run-model.ts';
import { runSeed } from './world.ts';

/** At a desk as many as there is patience for, some 20 in a second on two cores; a build server has more of it. */
const SEEDS = process.env['CI'] === undefined ? 1_000 : 3_000;

it(
  `${SEEDS} seeded worlds of crashes, lost, late and doubled calls end with every acknowledged event exactly once and nothing left`,
  { timeout: 900_000 },
  async () => {
    const { failing, violations, events } = await runModel(import.meta.dirname, { from: 1, seeds: SEEDS });
    const failures = failing.map((seed) => `npm run model -- --from ${seed} --seeds 1 --trace`);
    expect(failures, `replay one; violations: ${JSON.stringify(violations)}`).toEqual([]);
    expect(events).toBeGreaterThan(SEEDS * 20);
  },
);

it('the same seed makes the same schedule', async () => {
  await withModelRedis(async (redis) => {
    const [first, second] = [[], []] as [string[], string[]];
    await runSeed(7, redis, { trace: (line) => first.push(line) });
    await runSeed(7, redis, { trace: (line) => second.push(line) });
    expect(first.length).toBeGreaterThan(500);
    const anonymous = (lines: string[]): string[] => lines.map((line) => line.replaceAll(/\d{13}-\d+/g, 'ID'));
    expect(anonymous(second)).toEqual(anonymous(first));
  });
});

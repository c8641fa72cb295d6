import { expect, it } from 'vitest';
import { withModelRedis } from './model-redis.ts';
import { replayOf, runModel } from './run-model.ts';
import { runSeed } from './world.ts';

/** Always the same ones, in a process for each processor: some 7 in a second on two cores; src/smoke/worlds.test.ts runs others. */
const SEEDS = 3_000;
/** Enough that some of them show it when an order is not the world's own. */
const SCHEDULES = 30;

it(
  `${SEEDS} seeded worlds of crashes, lost, late and doubled calls end with every acknowledged event exactly once and nothing left`,
  { timeout: 900_000 },
  async () => {
    const { failing, violations, events } = await runModel({ from: 1, seeds: SEEDS });
    expect(failing.map(replayOf), `replay one; violations: ${JSON.stringify(violations)}`).toEqual([]);
    expect(events).toBeGreaterThan(SEEDS * 20);
  },
);

it('a seed makes the same schedule on any Redis', { timeout: 120_000 }, async () => {
  const [first, second] = [await schedules(), await schedules()];
  expect(first.size).toBe(SCHEDULES);
  expect(second).toEqual(first);
});

/** What happens in the first worlds, on a Redis of their own; their chunks' ids are times of its clock. */
async function schedules(): Promise<Map<number, string[]>> {
  const schedules = new Map<number, string[]>();
  await withModelRedis(async (redis) => {
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const lines: string[] = [];
      await runSeed(seed, redis, { trace: (line) => lines.push(line.replaceAll(/\d{13}-\d+/g, 'ID')) });
      schedules.set(seed, lines);
    }
  });
  return schedules;
}

import { expect, it } from 'vitest';
import { withModelRedis } from './model-redis.ts';
import { runSeed } from './world.ts';

const SEEDS = 300;

it(
  `${SEEDS} seeded worlds of crashes, lost, late and doubled calls end with every acknowledged event exactly once and nothing left`,
  { timeout: 240_000 },
  async () => {
    const failing: string[] = [];
    let events = 0;
    await withModelRedis(async (redis) => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const result = await runSeed(seed, redis);
        events += result.events;
        if (result.violations.length > 0) failing.push(`seed ${seed}: ${result.violations.join('; ')}`);
      }
    });
    expect(failing, 'replay one with: npm run model -- --from SEED --seeds 1 --trace').toEqual([]);
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

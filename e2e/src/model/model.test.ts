import { expect, it } from 'vitest';
import { withModelRedis } from './model-redis.ts';
import { runSeed } from './world.ts';

const SEEDS = 400;
/** Worlds that run side by side, each on a Redis of its own: one waits for its Redis while another computes. */
const AT_A_TIME = 4;

it(
  `${SEEDS} seeded worlds of crashes, lost, late and doubled calls end with every acknowledged event exactly once and nothing left`,
  { timeout: 240_000 },
  async () => {
    const failing: string[] = [];
    let events = 0;
    const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1).values();
    const runNext = (): Promise<void> =>
      withModelRedis(async (redis) => {
        for (const seed of seeds) {
          const result = await runSeed(seed, redis);
          events += result.events;
          if (result.violations.length > 0) failing.push(`seed ${seed}: ${result.violations.join('; ')}`);
        }
      });
    await Promise.all(Array.from({ length: AT_A_TIME }, runNext));
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

import { expect, it } from 'vitest';
import { brokenPromises, page } from './page.ts';
import { certainFaults } from './plan.ts';
import { torture } from './torture.ts';

/** The time with faults. With the recovery, a run takes up to a minute more. */
const SECONDS = 60;
const FIXED_SEED = 1;

it.each([
  { what: 'a fixed seed', seed: FIXED_SEED, dedupe: false },
  { what: 'a random seed, with dedupe', seed: Math.floor(Math.random() * 1_000_000), dedupe: true },
])(
  'faults of all kinds at once, by $what ($seed): 0 lost, 0 twice, and recovered automatically',
  // Longer than the limit for a sink that hangs, so that its page is printed.
  { timeout: 900_000 },
  async ({ seed, dedupe }) => {
    const result = await torture(seed, SECONDS, { dedupe });
    console.log(page(result));
    const again = `npm run torture -- --seed ${seed} --minutes ${SECONDS / 60}${dedupe ? ' --dedupe' : ''}`;
    expect(brokenPromises(result), `again: ${again}`).toEqual([]);
    // The faults struck under load and had an effect.
    expect(result.acknowledged).toBeGreaterThan(1_000);
    expect(result.quarantined).toBeGreaterThan(100);
    const certain = [...certainFaults(result.plan)].filter((name) => name !== 'disk_full' || result.disk);
    expect(Object.keys(result.struck)).toEqual(expect.arrayContaining(certain));
    expect(Object.values(result.struck).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(SECONDS / 2);
    expect(result.answers['none'] ?? 0).toBeGreaterThan(0);
  },
);

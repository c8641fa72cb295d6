import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { divideRate, divideSlots } from './allocate.ts';

const sum = (shares: ReadonlyMap<string, number>): number => [...shares.values()].reduce((all, one) => all + one, 0);
const wants = (...amounts: number[]): Map<string, number> =>
  new Map(amounts.map((amount, index) => [`p${index}`, amount]));
const anyWants = fc
  .array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 })
  .map((amounts) => wants(...amounts));

describe('a rate', () => {
  test('is divided wholly, whatever the processes want', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1e9, noNaN: true }), anyWants, (limit, all) => {
        const shares = divideRate(limit, all);
        expect(sum(shares) / limit).toBeCloseTo(1, 6);
        expect([...shares.keys()].sort()).toEqual([...all.keys()].sort());
      }),
    );
  });

  test('is max-min fair: nobody gets more than it wants while another gets less', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1e6, noNaN: true }), anyWants, (limit, all) => {
        const shares = [...divideRate(limit, all)].map(([id, share]) => ({ share, wanted: all.get(id) ?? 0 }));
        const short = shares.filter(({ share, wanted }) => share < wanted * (1 - 1e-9));
        const least = Math.min(...short.map(({ share }) => share));
        const floor = limit / all.size / 20;
        if (short.length === 0) return;
        for (const { share, wanted } of shares)
          expect(share).toBeLessThanOrEqual(Math.max(floor, Math.min(wanted, least)) * (1 + 1e-9));
      }),
    );
  });

  test('goes to those that want it; what is left, in proportion', () => {
    expect([...divideRate(120, wants(1000, 50, 10)).values()].sort((a, b) => a - b)).toEqual([10, 50, 60]);
    expect(Object.fromEntries(divideRate(100, wants(40, 10)))).toEqual({ p0: 80, p1: 20 });
  });

  test('is not had by asking for more and more', () => {
    expect(Object.fromEntries(divideRate(100, wants(1_000_000, 100)))).toEqual({ p0: 50, p1: 50 });
  });
});

describe('requests in flight', () => {
  test('are whole, and add up to the limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), anyWants, fc.nat(), (limit, all, turn) => {
        const shares = divideSlots(limit, all, turn);
        expect(sum(shares)).toBe(limit);
        for (const share of shares.values()) expect(Number.isInteger(share)).toBe(true);
        if (limit >= all.size) expect(Math.min(...shares.values())).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  test('fewer than processes: each has its turn', () => {
    const all = wants(3, 3, 3, 3, 3);
    const had = new Set<string>();
    for (let turn = 0; turn < 50; turn++) {
      for (const [id, share] of divideSlots(2, all, turn)) if (share > 0) had.add(id);
    }
    expect(had.size).toBe(5);
  });
});

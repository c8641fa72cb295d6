import { expect, it } from 'vitest';
import { planFaults } from './plan.ts';

it('the seed decides the whole plan', () => {
  expect(planFaults(7, 60_000)).toEqual(planFaults(7, 60_000));
  expect(planFaults(8, 60_000)).not.toEqual(planFaults(7, 60_000));
});

it('a minute has faults of every kind, and none lasts beyond the end', () => {
  const plan = planFaults(1, 60_000);
  expect(new Set(plan.map(({ fault }) => fault.kind))).toEqual(
    new Set([
      ...['kill', 'pause', 'terminate', 'clock', 'redis_kill', 'redis_pause'],
      ...['cut', 'refuse', 'blackhole', 'delay', 's3', 'no_bucket', 'disk_full'],
    ]),
  );
  for (const { atMs, forMs } of plan) expect(atMs + forMs).toBeLessThanOrEqual(60_000);
});

it('what uploads retry slowly comes in the first half', () => {
  for (const seed of [1, 2, 3]) {
    const slow = planFaults(seed, 300_000).filter(
      ({ fault }) =>
        fault.kind === 'no_bucket' ||
        (fault.kind === 's3' && fault.effect.kind === 'error' && fault.effect.status === 403),
    );
    expect(slow.length).toBeGreaterThan(0);
    expect(Math.max(...slow.map(({ atMs }) => atMs))).toBeLessThan(200_000);
  }
});

import { expect, it } from 'vitest';
import { certainFaults, nameOf, planFaults, type PlannedFault } from './plan.ts';

it('the seed decides the whole plan', () => {
  expect(planFaults(7, 60_000)).toEqual(planFaults(7, 60_000));
  expect(planFaults(8, 60_000)).not.toEqual(planFaults(7, 60_000));
});

it('a minute has faults of every kind, and none lasts beyond the end', () => {
  const plan = planFaults(1, 60_000);
  expect(new Set(plan.map(({ fault }) => fault.kind))).toEqual(
    new Set([
      'kill',
      'pause',
      'terminate',
      'clock',
      'redis_kill',
      'redis_pause',
      'redis_slow',
      'cut',
      'refuse',
      'blackhole',
      'delay',
      's3',
      'no_bucket',
      'disk_full',
    ]),
  );
  for (const { atMs, forMs } of plan) expect(atMs + forMs).toBeLessThanOrEqual(60_000);
});

it('faults that uploads retry slowly are in the first half', () => {
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

it('runs of three minutes and more sometimes pause uploaders for longer than the lock of an upload', () => {
  const longPauses = (durationMs: number, seed: number): PlannedFault[] =>
    planFaults(seed, durationMs).filter(({ forMs, fault }) => fault.kind === 'pause' && forMs > 6_000);
  for (const seed of [1, 2, 3]) {
    expect(longPauses(170_000, seed)).toEqual([]);
    const pauses = longPauses(600_000, seed);
    expect(pauses.length).toBeGreaterThan(2);
    expect(pauses.length).toBeLessThan(12);
    for (const { forMs, fault } of pauses) {
      expect(fault).toMatchObject({ service: expect.stringMatching(/^uploader-/) as string });
      expect(forMs).toBeGreaterThan(22_500);
    }
  }
});

it('most kinds of a plan are certain to strike, but not a fault whose victim an earlier fault still holds', () => {
  const [kill, pause, hit] = [
    { atMs: 0, forMs: 1_000, fault: { kind: 'redis_kill' } },
    { atMs: 5_000, forMs: 1_000, fault: { kind: 'redis_pause' } },
    { atMs: 5_000, forMs: 0, fault: { kind: 'cut', service: 'ingest-1', way: 'redis' } },
  ] as const;
  expect(certainFaults([kill, pause, hit])).toEqual(new Set(['redis_kill', 'cut']));
  expect(certainFaults([kill, { ...pause, atMs: 20_000 }])).toEqual(new Set(['redis_kill', 'redis_pause']));
  for (const seed of [1, 2, 3]) {
    const plan = planFaults(seed, 50_000);
    const left = new Set(plan.map(({ fault }) => nameOf(fault))).difference(certainFaults(plan));
    expect(left.size).toBeLessThan(3);
  }
});

import { expect, test } from 'vitest';
import { QuarantinePace } from './quarantine-pace.ts';

test('so many events a second are kept, and never more at once', () => {
  let nowMs = 0;
  const settings = { quarantineMaxPerSecond: 10 };
  const pace = new QuarantinePace(settings, () => nowMs);
  expect(pace.left).toBe(10);
  pace.take(10);
  expect(pace.left).toBe(0);
  nowMs = 99;
  expect(pace.left).toBe(0);
  nowMs = 350;
  expect(pace.left).toBe(3);
  pace.take(1);
  nowMs = 60_000;
  expect(pace.left).toBe(10);
  settings.quarantineMaxPerSecond = 5;
  expect(pace.left).toBe(5);
});

test('however often it is asked, no part of an event gets lost', () => {
  let nowMs = 0;
  const pace = new QuarantinePace({ quarantineMaxPerSecond: 1 }, () => nowMs);
  pace.take(1);
  while (pace.left === 0) nowMs += 1;
  expect(nowMs).toBeGreaterThanOrEqual(999);
  expect(nowMs).toBeLessThanOrEqual(1_001);
});

import { expect, test } from 'vitest';
import { cpuSecondsIn, usageOf } from './usage.ts';

test('CPU time is found after a process name with spaces and brackets', () => {
  const stat = '42 (a b) c) S 1 42 42 0 -1 4194304 10 0 0 0 150 25 7 3 20 0 1 0 9000 1000 200 18446744073709551615';
  expect(cpuSecondsIn(stat)).toBe(1.85);
});

test('the usage of a running process agrees with what Node reports about itself', () => {
  const { user, system } = process.cpuUsage();
  const usage = usageOf(process.pid);
  expect(usage.cpuSeconds).toBeCloseTo((user + system) / 1e6, 0);
  expect(usage.rssPeakBytes).toBeGreaterThanOrEqual(process.memoryUsage.rss() * 0.9);
});

import { expect, test } from 'vitest';
import { childStopGrace } from './process.ts';

test('a child gets a share of its parent’s grace to stop in, in whole milliseconds, and never nothing', () => {
  expect(childStopGrace(7_500, 0.95)).toBe('7125ms');
  expect(childStopGrace(1_001, 0.9)).toBe('900ms');
  expect(childStopGrace(20, 0.9)).toBe('100ms');
});

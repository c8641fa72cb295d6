import { expect, test } from 'vitest';
import { median } from './statistics.ts';

test.each([
  [[3, 1, 20], 3],
  [[4, 1, 2, 30], 3],
  [[7], 7],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});

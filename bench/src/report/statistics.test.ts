import { expect, test } from 'vitest';
import { median, percentile, slope } from './statistics.ts';

test.each([
  [[3, 1, 20], 3],
  [[4, 1, 2, 30], 3],
  [[7], 7],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});

test.each([
  [0.5, 50],
  [0.99, 99],
  [0.999, 100],
  [0, 1],
])('of 1 to 100, the share %d is not above %d', (share, expected) => {
  expect(
    percentile(
      Float64Array.from({ length: 100 }, (_, index) => index + 1),
      share,
    ),
  ).toBe(expected);
});

test('a percentile of nothing is an error, not a figure', () => {
  expect(() => percentile(new Float64Array(), 0.5)).toThrow('no values');
});

test('the slope of points on a line is that of the line; a single point has none', () => {
  const points = [0, 1, 2, 5].map((x) => ({ x, y: 3 - 2 * x }));
  expect(slope(points)).toBeCloseTo(-2);
  expect(slope(points.slice(0, 1))).toBe(0);
});

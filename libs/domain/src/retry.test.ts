import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs, isRetryable } from './retry.ts';

test('a wait is a part of its bound, which doubles up to the cap', () => {
  const backoff = { baseMs: 100, capMs: 5_000 };
  const largest = 0.999_999;
  expect([1, 2, 3, 6, 7, 1_000].map((attempt) => backoffMs(attempt, backoff, largest))).toEqual([
    100, 200, 400, 3_200, 5_000, 5_000,
  ]);
  expect(backoffMs(5, backoff, 0)).toBe(0);
  expect(backoffMs(1, backoff, 0.5)).toBe(50);
});

test('a wait is never shorter than its floor', () => {
  const backoff = { baseMs: 100, capMs: 5_000, floorMs: 100 };
  expect([1, 2, 9].map((attempt) => backoffMs(attempt, backoff, 0))).toEqual([100, 100, 100]);
  expect([1, 2, 9].map((attempt) => backoffMs(attempt, backoff, 0.5))).toEqual([100, 150, 2_550]);
  expect([1, 2, 9].map((attempt) => backoffMs(attempt, backoff, 1))).toEqual([100, 200, 5_000]);
});

test('an error is retryable only if its own field is true', () => {
  expect(isRetryable(Object.assign(new Error('refused'), { retryable: true }))).toBe(true);
  expect(isRetryable(Object.assign(new Error('unfit'), { retryable: false }))).toBe(false);
  expect([new Error('bug'), { retryable: true }, 'text', null, undefined].map(isRetryable)).not.toContain(true);
});

test('a wait is a whole number within its bounds, after any number of attempts', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, random) => {
        const waitMs = backoffMs(attempt, { baseMs: 250, capMs: 60_000 }, random);
        expect(Number.isInteger(waitMs) && waitMs >= 0 && waitMs <= 60_000).toBe(true);
      },
    ),
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

test('lets a burst of two seconds through, and then its rate', () => {
  const bucket = new TokenBucket(10, 0);
  let through = 0;
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 10) {
    if (bucket.waitMs(nowMs) > 0) continue;
    bucket.take(1);
    through += 1;
  }
  expect(through).toBeGreaterThanOrEqual(119);
  expect(through).toBeLessThanOrEqual(121);
});

test('a batch larger than the bucket is let through, and its debt is paid before the next', () => {
  const bucket = new TokenBucket(10, 0);
  bucket.take(20 + 1_000);
  expect(bucket.isInDebt).toBe(true);
  expect(bucket.waitMs(0)).toBeCloseTo(100_000, 3);
  expect(bucket.waitMs(99_000)).toBeCloseTo(1_000, 3);
  expect(bucket.waitMs(100_001)).toBe(0);
});

test('a debt stays when the rate changes, a saved burst does not', () => {
  const bucket = new TokenBucket(100, 0);
  bucket.setRate(1, 0);
  bucket.take(2.5);
  expect(bucket.waitMs(0)).toBeCloseTo(500, 3);
  bucket.setRate(10, 0);
  expect(bucket.waitMs(0)).toBeCloseTo(50, 3);
});

test('the wait that it says is true: not earlier, and then at once', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 1e6, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 10 }),
      (rate, batches) => {
        const bucket = new TokenBucket(rate, 0);
        for (const batch of batches) bucket.take(batch);
        const waitMs = bucket.waitMs(0);
        if (waitMs === 0) return;
        expect(bucket.waitMs(waitMs * 0.99)).toBeGreaterThan(0);
        expect(bucket.waitMs(waitMs * 1.01 + 0.001)).toBe(0);
      },
    ),
  );
});

import { describe, expect, test } from 'vitest';
import { RETRY_TIMES, retryDelayMs } from './upload-worker.ts';

describe('the wait before the next try', () => {
  test('is anywhere between nothing and a bound that doubles up to the cap', () => {
    const bounds = [1, 2, 3, 4, 7, 8, 1_000_000].map((attempt) => retryDelayMs(attempt, 'ordinary', RETRY_TIMES, 1));
    expect(bounds).toEqual([500, 1_000, 2_000, 4_000, 30_000, 30_000, 30_000]);
    expect(retryDelayMs(7, 'ordinary', RETRY_TIMES, 0.5)).toBe(15_000);
  });

  test('is never 0: the job would be tried again at once', () => {
    expect(retryDelayMs(1, 'ordinary', RETRY_TIMES, 0)).toBe(1);
  });

  test('is 20 to 40 s for what a person has to mend, so that it is uploaded within a minute of that', () => {
    expect(retryDelayMs(1, 'slow', RETRY_TIMES, 0)).toBe(20_000);
    expect(retryDelayMs(50, 'slow', RETRY_TIMES, 0.999_999)).toBe(40_000);
  });
});

import { describe, expect, test } from 'vitest';
import { Breaker } from './breaker.ts';

const ALMOST_1 = 1 - Number.EPSILON;
const options = { failuresMin: 3, baseMs: 100, capMs: 1_000 };

describe('the breaker', () => {
  test('opens after failures in a row, and holds longer each time, up to the cap', () => {
    const breaker = new Breaker(options);
    expect([breaker.failed('store', 0, 0), breaker.failed('store', 0, 0)]).toEqual([0, 0]);
    let nowMs = 0;
    const holds: number[] = [];
    for (let hold = 0; hold < 6; hold++) {
      const holdMs = breaker.failed('store', nowMs, ALMOST_1);
      holds.push(holdMs);
      nowMs += holdMs;
    }
    expect(holds).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(breaker.failed('store', nowMs, 0), 'a hold is never shorter than this').toBe(50);
  });

  test('failures of tries that began before the hold say nothing new', () => {
    const breaker = new Breaker(options);
    for (const kind of ['store', 'operator'] as const) breaker.failed(kind, 0, 0);
    expect(breaker.failed('store', 0, 0)).toBe(50);
    expect(breaker.failed('store', 49, 0)).toBe(0);
    expect(breaker.failed('store', 50, ALMOST_1)).toBe(200);
  });

  test('opens at once when the store asks for less', () => {
    expect(new Breaker(options).failed('throttled', 0, 0)).toBe(50);
  });

  test('opens when commits are refused until manifests get through: the next upload would be put in vain too', () => {
    const breaker = new Breaker(options);
    expect([1, 2, 3].map(() => breaker.failed('manifests', 0, 0))).toEqual([0, 0, 50]);
  });

  test('a success between failures keeps it closed, and ends an outage only where there was one', () => {
    const breaker = new Breaker(options);
    for (let round = 0; round < 5; round++) {
      expect(breaker.failed('store', 0, 0) + breaker.failed('store', 0, 0)).toBe(0);
      expect(breaker.succeeded()).toBe(false);
    }
    for (let failure = 0; failure < 3; failure++) breaker.failed('store', 0, 0);
    expect(breaker.succeeded()).toBe(true);
    expect(breaker.succeeded()).toBe(false);
  });

  test('a failure of one segment, or of Redis, holds no other upload up', () => {
    const breaker = new Breaker(options);
    for (let failure = 0; failure < 20; failure++) {
      expect(breaker.failed('segment', 0, 0) + breaker.failed('redis', 0, 0) + breaker.failed('aborted', 0, 0)).toBe(0);
    }
  });
});

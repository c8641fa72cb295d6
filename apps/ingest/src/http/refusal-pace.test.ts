import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Pace, PACE_OF_LARGE_BODIES, PACE_OF_LIMITS, RefusalPace } from './refusal-pace.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function setup(of: Pace = PACE_OF_LARGE_BODIES) {
  const answered: number[] = [];
  const state = { over: false };
  const pace = new RefusalPace(of, () => state.over);
  const refuse = (from: number, to: number): void => {
    for (let number = from; number < to; number++) pace.inTurn(() => answered.push(number));
  };
  return { answered, state, refuse };
}

test('a few are answered at once, a crowd in its order and 20 a second', () => {
  const { answered, refuse } = setup();
  refuse(0, 200);
  expect(answered).toHaveLength(50);
  vi.advanceTimersByTime(1_000);
  expect(answered).toHaveLength(70);
  refuse(200, 210);
  expect(answered, 'none overtakes another').toHaveLength(70);
  vi.advanceTimersByTime(8_000);
  expect(answered).toEqual(Array.from({ length: 210 }, (_, number) => number));
});

test('after a pause as many are answered at once as at first, and no timer is left', () => {
  const { answered, refuse } = setup();
  refuse(0, 60);
  vi.advanceTimersByTime(60_000);
  expect(answered).toHaveLength(60);
  expect(vi.getTimerCount()).toBe(0);
  refuse(60, 120);
  expect(answered).toHaveLength(110);
});

test('when the server stops, none waits any more', () => {
  const { answered, state, refuse } = setup();
  refuse(0, 200);
  state.over = true;
  vi.advanceTimersByTime(50);
  expect(answered).toHaveLength(200);
  expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
});

test('no more than a thousand wait: each holds a connection', () => {
  const { answered, refuse } = setup();
  refuse(0, 5_000);
  expect(answered).toHaveLength(4_000);
  expect(answered.at(-1)).toBe(3_999);
  vi.advanceTimersByTime(1_000);
  expect(answered).toHaveLength(4_020);
});

test('a producer beyond its limit waits a second at most, and gets 100 answers a second', () => {
  const { answered, refuse } = setup(PACE_OF_LIMITS);
  refuse(0, 500);
  expect(answered).toHaveLength(50);
  vi.advanceTimersByTime(900);
  expect(answered).toHaveLength(140);
  vi.advanceTimersByTime(100);
  expect(answered).toHaveLength(500);
  vi.advanceTimersByTime(10_000);
  expect(vi.getTimerCount()).toBe(0);
});

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Admission } from './admission.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function setup(limitBytes = 100) {
  const admission = new Admission({ maxInFlightBytes: limitBytes, holdMaxMs: 4000 }, () => performance.now());
  const log: string[] = [];
  const enter = (name: string, bytes: number, costBytes = 1) =>
    admission.waitToEnter(
      bytes,
      costBytes,
      () => log.push(`${name} in`),
      () => log.push(`${name} refused`),
    );
  const grow = (name: string, bytes: number, ownBytes: number, heldMs = 0) =>
    admission.waitToGrow(
      bytes,
      { ownBytes, heldMs },
      () => log.push(`${name} grown`),
      () => log.push(`${name} refused`),
    );
  return { admission, log, enter, grow };
}

test('bytes are taken up to the limit and no further', () => {
  const { admission } = setup();
  expect(admission.tryTake(60)).toBe(true);
  expect(admission.tryTake(41)).toBe(false);
  expect(admission.tryTake(40)).toBe(true);
  expect(admission.usedBytes).toBe(100);
});

test('requests are let in by the order of arrival, and none overtakes another', () => {
  const { admission, log, enter } = setup();
  admission.tryTake(100);
  enter('large', 80);
  enter('small', 10);
  expect(admission.tryTake(0)).toBe(false);
  admission.give(50);
  expect(log).toEqual([]);
  admission.give(50);
  expect(log).toEqual(['large in', 'small in']);
  expect(admission.usedBytes).toBe(90);
  expect(admission.waitingRequests).toBe(0);
});

test('a request that has waited to enter waits that much less to grow: one hold for both', async () => {
  const { admission, log, grow } = setup();
  admission.tryTake(100);
  grow('held before', 10, 20, 3500);
  await vi.advanceTimersByTimeAsync(499);
  expect(log).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(log).toEqual(['held before refused']);
});

test('a request without room within its hold is refused, and the next one gets its turn', async () => {
  const { admission, log, enter } = setup();
  admission.tryTake(90);
  enter('large', 80);
  await vi.advanceTimersByTimeAsync(1000);
  enter('small', 10);
  await vi.advanceTimersByTimeAsync(2999);
  expect(log).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(log).toEqual(['small in', 'large refused']);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toHaveLength(2);
  expect(admission.usedBytes).toBe(100);
});

test('a request larger than the limit is let in when it is alone', () => {
  const { admission, log, enter } = setup();
  admission.tryTake(1);
  enter('huge', 500);
  admission.give(1);
  expect(log).toEqual(['huge in']);
  expect(admission.tryTake(1)).toBe(false);
  admission.give(500);
  expect(admission.usedBytes).toBe(0);
});

test('a request that grows comes before new ones, and grows above the limit when it is alone', () => {
  const { admission, log, enter, grow } = setup();
  admission.tryTake(50);
  admission.tryTake(50);
  enter('new', 10);
  grow('first', 60, 50);
  admission.give(50);
  expect(log).toEqual(['first grown']);
  admission.give(110);
  expect(log).toEqual(['first grown', 'new in']);
});

test('requests that block each other by growing are refused in time, not for ever', async () => {
  const { admission, log, grow } = setup();
  admission.tryTake(50);
  admission.tryTake(50);
  grow('one', 20, 50);
  grow('two', 20, 50);
  expect(admission.tryGrow(0, 50)).toBe(false);
  await vi.advanceTimersByTimeAsync(4000);
  expect(log).toEqual(['one refused', 'two refused']);
});

test('the memory of waiting requests is bounded too', () => {
  const { admission, enter } = setup();
  admission.tryTake(100);
  expect(enter('first', 10, 5000)).not.toBeNull();
  expect(enter('second', 10, 1)).toBeNull();
});

test('a request that stops waiting is not called, and the next one gets its turn', () => {
  const { admission, log, enter } = setup();
  admission.tryTake(60);
  const stop = enter('large', 80);
  enter('small', 40);
  stop?.();
  stop?.();
  expect(log).toEqual(['small in']);
  vi.advanceTimersByTime(250);
  expect(vi.getTimerCount()).toBe(0);
  expect(admission.usedBytes).toBe(100);
});

test('while others wait, bodies that trickle in are refused, the slowest first, and only those', async () => {
  const { admission, log, enter } = setup(30 * 1024 * 1024);
  const read = (name: string, bytesPerSecond: number, paused = false) => {
    admission.tryTake(10 * 1024 * 1024);
    const reader = {
      sinceMs: admission.nowMs(),
      bytes: 0,
      paused,
      evict: () => {
        log.push(`${name} evicted`);
        admission.stopReading(reader);
        admission.give(10 * 1024 * 1024);
      },
    };
    setInterval(() => (reader.bytes += bytesPerSecond / 10), 100);
    admission.startReading(reader);
  };
  read('slow', 100 * 1024);
  read('slowest', 1024);
  read('fast', 1024 * 1024);
  read('paused', 0, true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(log).toEqual([]);
  enter('first', 1024);
  enter('second', 11 * 1024 * 1024);
  await vi.advanceTimersByTimeAsync(3000);
  expect(log).toEqual(['slowest evicted', 'first in', 'slow evicted', 'second in']);
});

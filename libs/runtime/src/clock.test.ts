import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';

test('a sleep ends at once when its signal aborts, before or during it, without an error', async () => {
  await systemClock.sleep(3_600_000, AbortSignal.abort());
  const stopping = new AbortController();
  const sleeping = systemClock.sleep(3_600_000, stopping.signal);
  stopping.abort();
  await sleeping;
});

test('a sleep lasts at least as long as asked for, by the monotonic clock', async () => {
  const startMs = systemClock.monotonicMs();
  await systemClock.sleep(20);
  // A timer may fire up to 1 ms early: libuv counts in whole milliseconds.
  expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(19);
});

import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Default 15,000: enough for a slow machine, and half of a test's timeout (vitest.suite.ts). */
  readonly timeoutMs?: number;
  /** Pause between two checks; default 20. */
  readonly intervalMs?: number;
}

/**
 * Repeats `check` until it neither throws nor returns false, and resolves to its result. At the timeout it throws the
 * last error of the check, so that a failed `expect` inside shows its difference.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const { timeoutMs = 15_000, intervalMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  let failure: unknown = new Error(`waiting for a condition: one check took longer than ${timeoutMs} ms`);
  for (;;) {
    const leftMs = deadline - performance.now();
    const timer = new AbortController();
    const outOfTime = Symbol('out of time');
    try {
      const attempt = Promise.resolve().then(check);
      const result = await Promise.race([attempt, sleep(leftMs, outOfTime, { signal: timer.signal })]);
      if (result === outOfTime) throw failure;
      if (result !== false) return result as Exclude<T, false>;
      failure = new Error(`waiting for a condition: still false after ${timeoutMs} ms`);
    } catch (error) {
      failure = error;
    } finally {
      timer.abort();
    }
    if (performance.now() + intervalMs >= deadline) throw failure;
    await sleep(intervalMs);
  }
}

import { backoffMs } from '@sink/domain';

/**
 * How soon a failed upload is tried again. `ordinary`: what may have passed in a second (capped exponential backoff with
 * full jitter). `slow`: what a person has to mend first.
 */
export type RetryPace = 'ordinary' | 'slow';

export interface RetryTimes {
  /** Bound of the first ordinary wait, and of all of them. */
  readonly baseMs: number;
  readonly capMs: number;
  /** A slow wait is between this and twice this. */
  readonly slowMs: number;
}

export const RETRY_TIMES: RetryTimes = { baseMs: 500, capMs: 30_000, slowMs: 30_000 };

/**
 * The wait before the next try, at least 1 ms (0 would put the job back at the front of the queue at once).
 *
 * @param attempt tries made so far, from 1
 * @param random uniform in [0, 1)
 */
export function retryDelayMs(attempt: number, pace: RetryPace, times: RetryTimes, random: number): number {
  if (pace === 'slow') return Math.ceil(times.slowMs * (1 + random));
  return Math.max(1, backoffMs(attempt, times, random));
}

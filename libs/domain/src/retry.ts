/** Whether the same call may succeed later without an operator: the error's own `retryable`. */
export function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}

/** Limits of the waits between attempts, in milliseconds. */
export interface Backoff {
  /** The bound of the first wait; it doubles with each attempt. */
  readonly baseMs: number;
  /** The bound of every wait. */
  readonly capMs: number;
  /** The least wait; default 0. At most `baseMs`. */
  readonly floorMs?: number;
}

/** 2 ** 30 times the base exceeds every cap. */
const DOUBLINGS_MAX = 30;

/**
 * The wait before the next attempt: capped exponential backoff with full jitter
 * (AWS Architecture Blog, "Exponential Backoff And Jitter").
 *
 * @param attempt attempts made so far, from 1
 * @param random uniform in [0, 1)
 */
export function backoffMs(attempt: number, { baseMs, capMs, floorMs = 0 }: Backoff, random: number): number {
  const boundMs = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, DOUBLINGS_MAX));
  return Math.ceil(floorMs + random * (boundMs - floorMs));
}

export interface Backoff {
  /** The bound of the first wait, in milliseconds; it doubles with each attempt. */
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * The wait before the next try: capped exponential backoff with full jitter
 * (AWS Architecture Blog, "Exponential Backoff And Jitter").
 *
 * @param attempt tries made so far, from 1
 * @param random uniform in [0, 1)
 */
export function backoffMs(attempt: number, backoff: Backoff, random: number): number {
  const boundMs = Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.ceil(random * boundMs);
}

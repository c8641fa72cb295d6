import { backoffMs } from '@sink/domain';
import type { FailureKind } from './failure.ts';

export interface BreakerOptions {
  /** Failures in a row, without a success between them, that count as an outage. One throttled request is enough. */
  readonly failuresMin: number;
  /** Bound of the first hold; it doubles with each one, up to the cap. */
  readonly baseMs: number;
  readonly capMs: number;
}

/** Failures that the next upload would have too. */
const HOLDING: readonly FailureKind[] = ['store', 'throttled', 'operator', 'manifests'];

/**
 * Slows the whole queue down when the store fails, not one object: thousands of jobs that each back off by themselves would
 * still make hundreds of requests per second. The breaker only computes for how long; the queue holds every worker.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #holds = 0;
  #heldUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /**
   * @param random uniform in [0, 1)
   * @returns for how long no upload shall start, in milliseconds; 0: uploads continue
   */
  failed(kind: FailureKind, nowMs: number, random: number): number {
    if (!HOLDING.includes(kind)) return 0;
    this.#failures += 1;
    // A try that fails now started before the hold: it says nothing new.
    if (nowMs < this.#heldUntilMs) return 0;
    if (kind !== 'throttled' && this.#failures < this.#options.failuresMin) return 0;
    const { baseMs, capMs } = this.#options;
    this.#holds += 1;
    // With a floor: a hold of one millisecond would have no effect.
    const holdMs = backoffMs(this.#holds, { baseMs, capMs, floorMs: baseMs / 2 }, random);
    this.#heldUntilMs = nowMs + holdMs;
    return holdMs;
  }

  /** @returns whether an outage ended: then no job has to wait for its own next try */
  succeeded(): boolean {
    const recovered = this.#failures >= this.#options.failuresMin;
    this.#failures = 0;
    this.#holds = 0;
    return recovered;
  }
}

import type { FailureKind } from './failure.ts';

export interface BreakerOptions {
  /** Failures in a row, without a success between them, that make an outage. Throttling is one at once. */
  readonly failuresMin: number;
  /** Bound of the first hold; it doubles with each one, up to the cap. */
  readonly baseMs: number;
  readonly capMs: number;
}

/** Failures that the next upload would meet too. */
const HOLDING: readonly FailureKind[] = ['store', 'throttled', 'operator', 'manifests'];

export const BREAKER: BreakerOptions = { failuresMin: 5, baseMs: 1_000, capMs: 10_000 };

/**
 * Slows the whole queue down when it is the store that fails, not this or that object: thousands of jobs that each back
 * off by themselves would still be hundreds of tries a second. It only says for how long; the queue holds for everybody.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #holds = 0;
  #heldUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: BreakerOptions = BREAKER) {
    this.#options = options;
  }

  /** @returns for how long no upload shall begin, in milliseconds; 0: go on */
  failed(kind: FailureKind, nowMs: number, random: number): number {
    if (!HOLDING.includes(kind)) return 0;
    this.#failures += 1;
    // What failed meanwhile began before the hold: it says nothing new.
    if (nowMs < this.#heldUntilMs) return 0;
    if (kind !== 'throttled' && this.#failures < this.#options.failuresMin) return 0;
    const { baseMs, capMs } = this.#options;
    const boundMs = Math.min(capMs, baseMs * 2 ** Math.min(this.#holds, 30));
    // Half of it in any case: a hold of a millisecond is none.
    const holdMs = Math.ceil((boundMs / 2) * (1 + random));
    this.#holds += 1;
    this.#heldUntilMs = nowMs + holdMs;
    return holdMs;
  }

  /** @returns whether an outage ended: then nobody has to wait for his own next try */
  succeeded(): boolean {
    const recovered = this.#failures >= this.#options.failuresMin;
    this.#failures = 0;
    this.#holds = 0;
    return recovered;
  }
}

const TICK_MS = 50;
/** Beyond so many, the one that waits longest is answered at once: each holds a connection. */
const WAITING_MAX = 1_000;

export interface Pace {
  /** So many are refused at once, */
  readonly atOnce: number;
  /** and from then on so many a second. */
  readonly perSecond: number;
  /** None waits longer than this. */
  readonly waitMaxMs: number;
}

/** For large bodies that found no room, or came too slowly. */
export const PACE_OF_LARGE_BODIES: Pace = { atOnce: 50, perSecond: 20, waitMaxMs: Infinity };
/** For producers beyond their limits. A client that obeys is answered at once as a rule, and has to wait anyway. */
export const PACE_OF_LIMITS: Pace = { atOnce: 50, perSecond: 100, waitMaxMs: 1_000 };

/**
 * The pace at which requests that were refused get their answer. A client that is refused comes again, and each time ingest
 * reads a request, or accepts a connection, reads a first part and closes it: a crowd of clients that never finish their
 * bodies, or a producer that ignores its limit, would take the CPU time of all others. While it waits for its answer, such a
 * request holds no room, and nothing is read.
 */
export class RefusalPace {
  readonly #pace: Pace;
  readonly #isOver: () => boolean;
  /** Those that wait, in their order, with the tick of their arrival. */
  readonly #waiting = new Map<() => void, number>();
  readonly #ticksMax: number;
  #now: number;
  #tick = 0;
  #ticking: NodeJS.Timeout | null = null;

  /** @param isOver ends the waiting: the server stops */
  constructor(pace: Pace, isOver: () => boolean) {
    this.#pace = pace;
    this.#isOver = isOver;
    this.#now = pace.atOnce;
    this.#ticksMax = pace.waitMaxMs / TICK_MS;
  }

  /** Calls `answer` now, or after those that wait already. */
  inTurn(answer: () => void): void {
    this.#ticking ??= setInterval(() => this.#onTick(), TICK_MS);
    this.#waiting.set(answer, this.#tick);
    this.#answer();
  }

  #answer(): void {
    for (const [answer, sinceTick] of this.#waiting) {
      const waitsOn = this.#waiting.size <= WAITING_MAX && this.#tick - sinceTick < this.#ticksMax;
      if (this.#now < 1 && waitsOn && !this.#isOver()) return;
      this.#now = Math.max(0, this.#now - 1);
      this.#waiting.delete(answer);
      answer();
    }
  }

  #onTick(): void {
    const { atOnce, perSecond } = this.#pace;
    this.#tick += 1;
    this.#now = Math.min(this.#now + (perSecond * TICK_MS) / 1_000, atOnce);
    this.#answer();
    if (this.#now < atOnce) return;
    clearInterval(this.#ticking ?? undefined);
    this.#ticking = null;
  }
}

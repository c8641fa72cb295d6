const TICK_MS = 50;
/** So many are refused at once, and from then on 20 a second. */
const AT_ONCE = 50;
const PER_TICK = 1;
/** Beyond so many, the one that waits longest is answered at once: each holds a connection. */
const WAITING_MAX = 1_000;

/**
 * The pace at which large bodies that found no room, or came too slowly, get their answer. A client that is refused comes
 * again, and each time ingest accepts a connection, reads a first part and closes it: a crowd of clients that never finish
 * their bodies would take the CPU time of all others. While it waits for its answer, such a request holds no room, and
 * nothing is read.
 */
export class RefusalPace {
  readonly #isOver: () => boolean;
  readonly #waiting = new Set<() => void>();
  #now = AT_ONCE;
  #ticking: NodeJS.Timeout | null = null;

  /** @param isOver ends the waiting: the server stops */
  constructor(isOver: () => boolean) {
    this.#isOver = isOver;
  }

  /** Calls `answer` now, or after those that wait already. */
  inTurn(answer: () => void): void {
    this.#ticking ??= setInterval(() => this.#onTick(), TICK_MS);
    this.#waiting.add(answer);
    this.#answer();
  }

  #answer(): void {
    for (const answer of this.#waiting) {
      if (this.#now <= 0 && this.#waiting.size <= WAITING_MAX && !this.#isOver()) return;
      this.#now = Math.max(0, this.#now - 1);
      this.#waiting.delete(answer);
      answer();
    }
  }

  #onTick(): void {
    this.#now = Math.min(this.#now + PER_TICK, AT_ONCE);
    this.#answer();
    if (this.#now < AT_ONCE) return;
    clearInterval(this.#ticking ?? undefined);
    this.#ticking = null;
  }
}

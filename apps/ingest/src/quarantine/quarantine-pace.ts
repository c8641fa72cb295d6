/**
 * How many refused events may be kept now: so many a second, and as many at once. It bounds what somebody who sends rubbish
 * can have stored.
 */
export class QuarantinePace {
  readonly #settings: { readonly quarantineMaxPerSecond: number };
  readonly #nowMs: () => number;
  #left: number;
  #atMs: number;

  /** @param settings read at each use */
  constructor(settings: { readonly quarantineMaxPerSecond: number }, nowMs: () => number) {
    this.#settings = settings;
    this.#nowMs = nowMs;
    this.#left = settings.quarantineMaxPerSecond;
    this.#atMs = nowMs();
  }

  get left(): number {
    const { quarantineMaxPerSecond } = this.#settings;
    const nowMs = this.#nowMs();
    const more = ((nowMs - this.#atMs) / 1000) * quarantineMaxPerSecond;
    this.#left = Math.min(quarantineMaxPerSecond, this.#left + more);
    this.#atMs = nowMs;
    return Math.floor(this.#left);
  }

  /** @param events at most `left` */
  take(events: number): void {
    this.#left -= events;
  }
}

/**
 * Lets one error a second through and counts the rest: at maxmemory a BullMQ worker reports some 1,600 a second, an ingest
 * under load as many, and a log that fills the disk would end Redis too.
 */
export class ErrorValve {
  readonly #report: (error: Error, suppressed: number) => void;
  readonly #everyMs: number;
  readonly #monotonicMs: () => number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #suppressed = 0;

  constructor(
    report: (error: Error, suppressed: number) => void,
    everyMs = 1_000,
    monotonicMs: () => number = () => performance.now(),
  ) {
    this.#report = report;
    this.#everyMs = everyMs;
    this.#monotonicMs = monotonicMs;
  }

  pass(error: unknown): void {
    const nowMs = this.#monotonicMs();
    if (nowMs - this.#lastMs < this.#everyMs) {
      this.#suppressed += 1;
      return;
    }
    const suppressed = this.#suppressed;
    this.#lastMs = nowMs;
    this.#suppressed = 0;
    this.#report(error instanceof Error ? error : new Error(String(error)), suppressed);
  }
}

/** An unused rate is kept for so long: a burst of this many seconds is let through at once. */
const BURST_SECONDS = 2;

/**
 * Lets through `ratePerSecond` on average. Whatever comes while there are tokens is let through whole, also if it needs more
 * than there are: it leaves a debt, and nothing more is let through until the debt is paid. So no batch is too large for ever.
 */
export class TokenBucket {
  #ratePerSecond: number;
  #tokens: number;
  #atMs: number;

  constructor(ratePerSecond: number, nowMs: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#tokens = ratePerSecond * BURST_SECONDS;
    this.#atMs = nowMs;
  }

  /** From now on tokens come at this rate. Debts stay; tokens beyond the burst of the new rate are lost. */
  setRate(ratePerSecond: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#ratePerSecond = ratePerSecond;
    this.#tokens = Math.min(this.#tokens, ratePerSecond * BURST_SECONDS);
  }

  /** 0: the next request is let through now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens > 0 ? 0 : ((-this.#tokens + Number.MIN_VALUE) / this.#ratePerSecond) * 1000;
  }

  take(tokens: number): void {
    this.#tokens -= tokens;
  }

  get isInDebt(): boolean {
    return this.#tokens < 0;
  }

  #refill(nowMs: number): void {
    const gained = ((nowMs - this.#atMs) / 1000) * this.#ratePerSecond;
    this.#tokens = Math.min(this.#tokens + gained, this.#ratePerSecond * BURST_SECONDS);
    this.#atMs = nowMs;
  }
}

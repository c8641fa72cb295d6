/** What is left of the demand of earlier periods, when less is asked for now. */
const KEPT = 0.6;
/** A process that had to refuse wants this many times its share. */
const GROWTH = 2;
/** A smaller part of the limit counts as nothing. */
const NEGLIGIBLE_PART = 0.001;

/**
 * How much of a limit this process wants, from what it is asked for. It rises at once and falls slowly, because requests come
 * in bursts. Refused requests count too; but a producer that obeys a refusal asks for less than it would send, so a refusal
 * alone doubles what this process wants. Until the time that a refused producer was told, the demand does not fall.
 */
export class Demand {
  #hasRefused = false;
  #heldUntilMs = -Infinity;
  #wanted = 0;

  /** As it was when the last period ended. */
  get wanted(): number {
    return this.#wanted;
  }

  /** A request was refused; its producer was told to come back at this time. */
  refused(untilMs: number): void {
    this.#hasRefused = true;
    this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs);
  }

  /**
   * Ends a period.
   * @param asked what requests asked for
   * @param held the demand does not fall now
   * @returns what this process wants, 0 to `limit`
   */
  endPeriod(nowMs: number, of: { asked: number; share: number; limit: number; held: boolean }): number {
    const { asked, share, limit, held } = of;
    const kept = held || nowMs < this.#heldUntilMs ? 1 : KEPT;
    const before = this.#wanted * kept;
    const wanted = this.#hasRefused
      ? Math.max(asked, before, share * GROWTH)
      : Math.max(asked, Math.min(before, share));
    this.#wanted = Math.min(wanted, limit);
    if (this.#wanted < limit * NEGLIGIBLE_PART) this.#wanted = 0;
    this.#hasRefused = false;
    return this.#wanted;
  }
}

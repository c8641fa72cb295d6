import type { AppendOutcome, EventAppender } from './appender.ts';

/** Spreads submissions over the lanes in turn. A request stays together, so its events are accepted or refused together. */
export class Spread implements EventAppender {
  readonly #lanes: readonly EventAppender[];
  #next = 0;

  constructor(lanes: readonly EventAppender[]) {
    this.#lanes = lanes;
  }

  submit(lines: readonly string[], settled: (outcome: AppendOutcome) => void, heldMs: number): void {
    this.#next = (this.#next + 1) % this.#lanes.length;
    const lane = this.#lanes[this.#next];
    if (!lane) throw new Error('submitting events: there is no lane');
    lane.submit(lines, settled, heldMs);
  }
}

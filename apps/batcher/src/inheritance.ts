import type { BatcherLane } from '@sink/lane';
import type { BatcherClock, BatcherEvents } from './ports.ts';

export interface InheritancePorts {
  readonly lane: BatcherLane;
  readonly clock: BatcherClock;
  readonly events: Pick<BatcherEvents, 'claimed' | 'restored'>;
}

export interface InheritanceOptions {
  readonly consumer: string;
  /** How often dead batchers are looked for, and chunks that stand in nobody's pending list. */
  readonly claimEveryMs: number;
  readonly scrubEveryMs: number;
}

/** Pages of one scrub: with S3 away for long, the counters of a lane are many pages. */
const SCRUB_PAGES = 20;

/** Work that others left: chunks of batchers that died, and chunks that stand in nobody's pending list. */
export class Inheritance {
  readonly #ports: InheritancePorts;
  readonly #options: InheritanceOptions;
  #lastClaimMs = Number.NEGATIVE_INFINITY;
  #lastScrubMs: number;
  #scrubCursor = '0';

  constructor(ports: InheritancePorts, options: InheritanceOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#lastScrubMs = ports.clock.monotonicMs();
  }

  /** Looks for such work when it is time to; true when our pending list has more now. */
  async takeWhenDue(): Promise<boolean> {
    const nowMs = this.#ports.clock.monotonicMs();
    let more = false;
    if (nowMs - this.#lastClaimMs >= this.#options.claimEveryMs) {
      this.#lastClaimMs = nowMs;
      if (await this.claimDead()) more = true;
    }
    if (nowMs - this.#lastScrubMs >= this.#options.scrubEveryMs) {
      this.#lastScrubMs = nowMs;
      if (await this.#scrub()) more = true; // rule: scrub.periodic
    }
    return more;
  }

  /** Takes over what batchers without a lease left pending; true when there was something. */
  async claimDead(): Promise<boolean> {
    const { lane, events } = this.#ports;
    let claimed = false;
    for (const other of await lane.consumers()) {
      if (other === this.#options.consumer) continue;
      for (let more = true; more;) {
        const { kind, chunks } = await lane.claim(other, this.#options.consumer);
        more = kind === 'more';
        if (chunks === 0) continue;
        claimed = true;
        events.claimed(lane.number, other, chunks);
      }
    }
    return claimed;
  }

  /** Walks some pages of the lane's counters, and goes on there the next time. */
  async #scrub(): Promise<boolean> {
    const { lane, events } = this.#ports;
    let restored = 0;
    for (let page = 0; page < SCRUB_PAGES; page++) {
      const answer = await lane.scrub(this.#options.consumer, this.#scrubCursor);
      this.#scrubCursor = answer.cursor;
      restored += answer.restored;
      if (answer.cursor === '0') break;
    }
    if (restored > 0) events.restored(lane.number, restored);
    return restored > 0;
  }
}

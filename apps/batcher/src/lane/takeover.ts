import type { BatcherSettings } from '../settings.ts';
import type { LaneBatcherPorts } from './lane-batcher.ts';

/** Takes over chunks of batchers that died, and chunks that are in no pending list. */
export class Takeover {
  readonly #ports: LaneBatcherPorts;
  readonly #settings: BatcherSettings;
  readonly #consumer: string;
  #lastClaimMs = Number.NEGATIVE_INFINITY;
  #lastScrubMs: number;
  #scrubCursor = '0';

  constructor(ports: LaneBatcherPorts, settings: BatcherSettings, consumer: string) {
    this.#ports = ports;
    this.#settings = settings;
    this.#consumer = consumer;
    this.#lastScrubMs = ports.clock.monotonicMs();
  }

  /** Looks for such chunks when it is time to; true if our pending list has more now. */
  async takeWhenDue(): Promise<boolean> {
    const nowMs = this.#ports.clock.monotonicMs();
    let more = false;
    if (nowMs - this.#lastClaimMs >= this.#settings.claimEveryMs) {
      this.#lastClaimMs = nowMs;
      if (await this.claimDead()) more = true;
    }
    if (nowMs - this.#lastScrubMs >= this.#settings.scrubEveryMs) {
      this.#lastScrubMs = nowMs;
      if (await this.#scrub()) more = true; // rule: scrub.periodic
    }
    return more;
  }

  /** Takes over what batchers without a lease left pending; true if there was something. */
  async claimDead(): Promise<boolean> {
    const { lane, events } = this.#ports;
    let claimed = false;
    for (const other of await lane.consumers()) {
      if (other === this.#consumer) continue;
      for (let more = true; more;) {
        const { kind, chunks } = await lane.claim(other, this.#consumer);
        more = kind === 'more';
        if (chunks === 0) continue;
        claimed = true;
        events.claimed(other, chunks);
      }
    }
    return claimed;
  }

  /** Reads some pages of the lane's counters, and continues there the next time. */
  async #scrub(): Promise<boolean> {
    const { lane, events } = this.#ports;
    let restored = 0;
    for (let page = 0; page < this.#settings.scrubPagesMax; page++) {
      const answer = await lane.scrub(this.#consumer, this.#scrubCursor);
      this.#scrubCursor = answer.cursor;
      restored += answer.restored;
      if (answer.cursor === '0') break;
    }
    if (restored > 0) events.restored(restored);
    return restored > 0;
  }
}

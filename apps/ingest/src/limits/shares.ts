import { Demand } from './demand.ts';
import { divideRate, divideSlots, type Wants } from './allocate.ts';
import { TokenBucket } from './token-bucket.ts';

/** What a process may use of a limit until it has its first share, and again after it was idle. */
const FIRST_PART = 1 / 20;
/** How long a producer is told to wait when too many of its requests are in flight: they take milliseconds, as a rule. */
const SLOT_WAIT_MS = 1_000;

/** This process' part of one limit of a producer. */
export interface Share {
  readonly share: number;
  readonly wanted: number;
  /** 0: a request is let through. Else it is refused, and after so many milliseconds it may be let through. */
  waitMs(nowMs: number): number;
  /** A request was refused, and told to come back after so many milliseconds. */
  refused(nowMs: number, waitMs: number): void;
  setLimit(limit: number, nowMs: number): void;
  /** Ends a period. @returns what this process wants of the limit; 0: it is idle */
  endPeriod(nowMs: number, seconds: number): number;
  /** Takes this process' part of what all processes want. `turn`: see `divideSlots`. */
  divide(wants: Wants, own: string, nowMs: number, turn: number): void;
}

/** Of a limit per second. */
export class RateShare implements Share {
  #limit: number;
  #share: number;
  #asked = 0;
  readonly #bucket: TokenBucket;
  readonly #demand = new Demand();

  constructor(limit: number, nowMs: number) {
    this.#limit = limit;
    this.#share = limit * FIRST_PART;
    this.#bucket = new TokenBucket(this.#share, nowMs);
  }

  get share(): number {
    return this.#share;
  }

  get wanted(): number {
    return this.#demand.wanted;
  }

  waitMs(nowMs: number): number {
    return this.#bucket.waitMs(nowMs);
  }

  ask(amount: number): void {
    this.#asked += amount;
  }

  take(amount: number): void {
    this.#bucket.take(amount);
  }

  refused(nowMs: number, waitMs: number): void {
    this.#demand.refused(nowMs + waitMs);
  }

  setLimit(limit: number, nowMs: number): void {
    this.#use((this.#share * limit) / this.#limit, nowMs);
    this.#limit = limit;
  }

  endPeriod(nowMs: number, seconds: number): number {
    const wanted = this.#demand.endPeriod(nowMs, {
      asked: this.#asked / seconds,
      share: this.#share,
      limit: this.#limit,
      // What the debt takes is not there for others.
      held: this.#bucket.isInDebt,
    });
    this.#asked = 0;
    if (wanted === 0) this.#use(this.#limit * FIRST_PART, nowMs);
    return wanted;
  }

  divide(wants: Wants, own: string, nowMs: number): void {
    const share = divideRate(this.#limit, wants).get(own);
    if (share !== undefined) this.#use(share, nowMs);
  }

  #use(share: number, nowMs: number): void {
    this.#share = share;
    this.#bucket.setRate(share, nowMs);
  }
}

/** Of a limit of requests in flight. */
export class SlotShare implements Share {
  #limit: number;
  #share: number;
  #inFlight = 0;
  #mostInFlight = 0;
  readonly #demand = new Demand();

  constructor(limit: number) {
    this.#limit = limit;
    this.#share = firstSlots(limit);
  }

  get share(): number {
    return this.#share;
  }

  get wanted(): number {
    return this.#demand.wanted;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  waitMs(): number {
    return this.#inFlight < this.#share ? 0 : SLOT_WAIT_MS;
  }

  enter(): void {
    this.#inFlight += 1;
    this.#mostInFlight = Math.max(this.#mostInFlight, this.#inFlight);
  }

  leave(): void {
    this.#inFlight -= 1;
  }

  refused(nowMs: number, waitMs: number): void {
    this.#demand.refused(nowMs + waitMs);
  }

  setLimit(limit: number): void {
    this.#share = Math.max(1, Math.floor((this.#share * limit) / this.#limit));
    this.#limit = limit;
  }

  endPeriod(nowMs: number): number {
    const { share } = this;
    const asked = Math.max(this.#mostInFlight, this.#inFlight);
    const wanted = this.#demand.endPeriod(nowMs, { asked, share: Math.max(1, share), limit: this.#limit, held: false });
    this.#mostInFlight = this.#inFlight;
    if (wanted === 0) this.#share = firstSlots(this.#limit);
    return wanted;
  }

  divide(wants: Wants, own: string, _nowMs: number, turn: number): void {
    this.#share = divideSlots(this.#limit, wants, turn).get(own) ?? this.#share;
  }
}

function firstSlots(limit: number): number {
  return Math.max(1, Math.floor(limit * FIRST_PART));
}

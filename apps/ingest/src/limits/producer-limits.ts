import type { Wants } from './allocate.ts';
import { RateShare, type Share, SlotShare } from './shares.ts';

/** The limits of one producer over all processes of a sink; null: none. */
export interface Limits {
  readonly eventsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  readonly requestsInFlight: number | null;
}

/** The keys of `limits` in the configuration. */
export const LIMIT_NAMES = ['events_per_second', 'bytes_per_second', 'requests_in_flight'] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** What a process wants of each limit of one producer. */
export type ProducerWants = Partial<Readonly<Record<LimitName, number>>>;

/** The limit for which a request is refused, and after how many milliseconds it may be let through. */
export interface Exceeded {
  readonly limit: LimitName;
  readonly waitMs: number;
}

/** What a request holds of its producer's requests in flight. It leaves once. */
export interface Slot {
  leave(): void;
}

/** This process' shares of the limits of one producer. */
export class ProducerShares {
  #limits: Limits;
  #events: RateShare | null = null;
  #bytes: RateShare | null = null;
  #requests: SlotShare | null = null;

  constructor(limits: Limits, nowMs: number) {
    this.#limits = { eventsPerSecond: null, bytesPerSecond: null, requestsInFlight: null };
    this.setLimits(limits, nowMs);
  }

  get limits(): Limits {
    return this.#limits;
  }

  setLimits(limits: Limits, nowMs: number): void {
    this.#limits = limits;
    const { eventsPerSecond, bytesPerSecond, requestsInFlight } = limits;
    this.#events = changed(this.#events, eventsPerSecond, nowMs, (limit) => new RateShare(limit, nowMs));
    this.#bytes = changed(this.#bytes, bytesPerSecond, nowMs, (limit) => new RateShare(limit, nowMs));
    this.#requests = changed(this.#requests, requestsInFlight, nowMs, (limit) => new SlotShare(limit));
  }

  get shares(): ReadonlyMap<LimitName, Share> {
    const all = {
      events_per_second: this.#events,
      bytes_per_second: this.#bytes,
      requests_in_flight: this.#requests,
    } as const;
    return new Map(LIMIT_NAMES.flatMap((name) => (all[name] === null ? [] : [[name, all[name]] as const])));
  }

  get inFlight(): number {
    return this.#requests?.inFlight ?? 0;
  }

  /** Whether a request may begin. It counts nothing. */
  check(nowMs: number): Exceeded | null {
    return (
      this.#wait('requests_in_flight', this.#requests, nowMs) ??
      // It would be refused after its body was read and decoded. That work is what a refused producer could take from others.
      this.#wait('events_per_second', this.#events, nowMs) ??
      this.#wait('bytes_per_second', this.#bytes, nowMs)
    );
  }

  /** A request begins. Null: requests in flight are not limited, so it does not count, even if they are when it ends. */
  enter(): Slot | null {
    this.#requests?.enter();
    return this.#requests;
  }

  /** Takes what a request needs of the rates; or nothing, if one of them is used up. */
  charge(events: number, bytes: number, nowMs: number): Exceeded | null {
    this.#events?.ask(events);
    this.#bytes?.ask(bytes);
    const exceeded =
      this.#wait('events_per_second', this.#events, nowMs) ?? this.#wait('bytes_per_second', this.#bytes, nowMs);
    if (exceeded !== null) return exceeded;
    this.#events?.take(events);
    this.#bytes?.take(bytes);
    return null;
  }

  /** The producer was told to come back after so many milliseconds. */
  refused({ limit, waitMs }: Exceeded, nowMs: number): void {
    this.shares.get(limit)?.refused(nowMs, waitMs);
  }

  /** Ends a period. Null: this process wants nothing for this producer. */
  endPeriod(nowMs: number, seconds: number): ProducerWants | null {
    const wants = [...this.shares].map(([name, share]) => [name, share.endPeriod(nowMs, seconds)] as const);
    const wanted = wants.filter(([, amount]) => amount > 0);
    return wanted.length === 0 ? null : Object.fromEntries(wanted);
  }

  /** @param wantsOf what all processes want of a limit of this producer */
  divide(wantsOf: (name: LimitName) => Wants, own: string, nowMs: number, turn: number): void {
    for (const [name, share] of this.shares) share.divide(wantsOf(name), own, nowMs, turn);
  }

  #wait(limit: LimitName, share: Share | null, nowMs: number): Exceeded | null {
    const waitMs = share?.waitMs(nowMs) ?? 0;
    return waitMs > 0 ? { limit, waitMs } : null;
  }
}

function changed<Of extends Share>(
  share: Of | null,
  limit: number | null,
  nowMs: number,
  create: (limit: number) => Of,
): Of | null {
  if (limit === null) return null;
  if (share === null) return create(limit);
  share.setLimit(limit, nowMs);
  return share;
}

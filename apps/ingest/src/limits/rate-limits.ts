import type { Refusal } from '../http/answers.ts';
import {
  type Exceeded,
  type LimitName,
  type Limits,
  ProducerShares,
  type ProducerWants,
  type Slot,
} from './producer-limits.ts';
import { limitExceeded, type RefusalOfLimit } from './refusals.ts';
import type { Report } from './report.ts';

/** A producer whose requests are limited. Its limits may change: they are read at each use. */
export interface LimitedProducer {
  readonly name: string;
  readonly limits: Limits;
}

export interface RateLimitsPorts {
  /** Milliseconds that never decrease. */
  readonly nowMs: () => number;
  /** 0 to 1. */
  readonly random: () => number;
}

/** What a process has and wants of a limit, for metrics. */
export interface ShareOf {
  readonly producer: string;
  readonly limit: LimitName;
  readonly share: number;
  readonly wanted: number;
}

/**
 * The limits of producers in this process. A limit is that of all ingest processes of a sink; this process enforces its share
 * of it without asking anybody. Now and then the processes tell each other what they want (`exchange.ts`), and each computes
 * its share from that (docs/adr/0029).
 */
export class RateLimits {
  readonly #ports: RateLimitsPorts;
  readonly #producers = new Map<string, ProducerShares>();
  #periodFromMs: number;
  #onDemand: () => void = () => undefined;

  constructor(ports: RateLimitsPorts) {
    this.#ports = ports;
    this.#periodFromMs = ports.nowMs();
  }

  /**
   * Whether a request with events may begin. It counts nothing. A request that may be one of several producers' is refused if
   * all are at a limit, for the time after which the first of them may send again.
   */
  check(...producers: readonly LimitedProducer[]): Refusal | null {
    const nowMs = this.#ports.nowMs();
    const refuse: (() => RefusalOfLimit)[] = [];
    for (const producer of producers) {
      const shares = this.#knownSharesOf(producer, nowMs);
      const exceeded = shares?.check(nowMs) ?? null;
      if (shares === null || exceeded === null) return null;
      refuse.push(() => this.#refusal(producer, shares, exceeded, nowMs));
    }
    const refusals = refuse.map((one) => one());
    return refusals.sort((a, b) => a.retryAfterSeconds - b.retryAfterSeconds)[0] ?? null;
  }

  /** A request with events begins. Null: it does not count as in flight. */
  enter(producer: LimitedProducer): Slot | null {
    return this.#sharesOf(producer, this.#ports.nowMs())?.enter() ?? null;
  }

  /** Charges a decoded request; a refused one costs nothing. `bytes` as they were received. */
  charge(producer: LimitedProducer, events: number, bytes: number): Refusal | null {
    const nowMs = this.#ports.nowMs();
    const shares = this.#sharesOf(producer, nowMs);
    const exceeded = shares?.charge(events, bytes, nowMs) ?? null;
    return shares === null || exceeded === null ? null : this.#refusal(producer, shares, exceeded, nowMs);
  }

  /** Whether a producer has sent something, and was not idle since. */
  get hasDemand(): boolean {
    return this.#producers.size > 0;
  }

  /** Calls back when there is demand that may not be reported yet. */
  onDemand(callback: () => void): void {
    this.#onDemand = callback;
  }

  /** Ends a period. @returns what this process wants; without any producer if it is idle */
  endPeriod(): Report {
    const nowMs = this.#ports.nowMs();
    const seconds = Math.max(0.001, (nowMs - this.#periodFromMs) / 1000);
    this.#periodFromMs = nowMs;
    const report = new Map<string, ProducerWants>();
    for (const [name, shares] of this.#producers) {
      const wants = shares.endPeriod(nowMs, seconds);
      if (wants !== null) report.set(name, wants);
      // A producer that was removed from the configuration does not come again.
      else if (shares.inFlight === 0) this.#producers.delete(name);
    }
    return report;
  }

  /**
   * Takes this process' shares of what all processes want.
   * @param reports by process, this one among them
   * @param turn a number that all processes share and that changes now and then
   */
  divide(reports: ReadonlyMap<string, Report>, own: string, turn: number): void {
    const nowMs = this.#ports.nowMs();
    for (const [name, shares] of this.#producers) {
      const wantsOf = (limit: LimitName): ReadonlyMap<string, number> => {
        const wants = [...reports].map(([process, report]) => [process, report.get(name)?.[limit] ?? 0] as const);
        return new Map(wants.filter(([, wanted]) => wanted > 0));
      };
      shares.divide(wantsOf, own, nowMs, turn);
    }
  }

  *shares(): Generator<ShareOf> {
    for (const [producer, { shares }] of this.#producers) {
      for (const [limit, { share, wanted }] of shares) yield { producer, limit, share, wanted };
    }
  }

  /** Null: the producer has sent nothing yet, or has no limits. */
  #knownSharesOf({ name, limits }: LimitedProducer, nowMs: number): ProducerShares | null {
    const known = this.#producers.get(name) ?? null;
    if (known !== null && known.limits !== limits) known.setLimits(limits, nowMs);
    return known;
  }

  /** Null: the producer has no limits. */
  #sharesOf(producer: LimitedProducer, nowMs: number): ProducerShares | null {
    const known = this.#knownSharesOf(producer, nowMs);
    if (known !== null) return known;
    const { name, limits } = producer;
    if (limits.eventsPerSecond === null && limits.bytesPerSecond === null && limits.requestsInFlight === null)
      return null;
    if (this.#producers.size === 0) this.#periodFromMs = nowMs;
    const created = new ProducerShares(limits, nowMs);
    this.#producers.set(name, created);
    this.#onDemand();
    return created;
  }

  #refusal(producer: LimitedProducer, shares: ProducerShares, exceeded: Exceeded, nowMs: number): RefusalOfLimit {
    const refusal = limitExceeded(producer, exceeded, this.#ports.random());
    shares.refused({ ...exceeded, waitMs: refusal.retryAfterSeconds * 1000 }, nowMs);
    return refusal;
  }
}

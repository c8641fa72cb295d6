import type { Demand } from '@sink/lane';
import type { FailureReporter } from '@sink/runtime';
import type { RateLimits } from './rate-limits.ts';
import { formatReport, parseReport } from './report.ts';

/** In milliseconds. */
export interface ExchangeTimes {
  /** How often a process with demand reports it and takes its share. */
  readonly reportEveryMs: number;
  /** How soon after the first request of a producer. */
  readonly reportSoonMs: number;
  /** A process that has not reported for so long, because it was killed, loses its share to the others. */
  readonly reportTtlMs: number;
}

/** How long each process keeps its turn, where there are fewer requests in flight than processes. */
const TURN_MS = 5_000;

export interface ExchangePorts {
  readonly report: (own: string, report: string, ttlMs: number) => Promise<Demand>;
  readonly withdraw: (own: string) => Promise<void>;
  readonly failures: Pick<FailureReporter, 'failed' | 'succeeded'>;
}

/**
 * Tells the other processes what this one wants of the limits of producers, and takes its shares, through Redis and in the
 * background. A process without demand reports nothing. While Redis is away, each process keeps the shares that it has.
 */
export class Exchange {
  readonly #limits: RateLimits;
  readonly #own: string;
  readonly #ports: ExchangePorts;
  readonly #times: ExchangeTimes;
  #timer: NodeJS.Timeout | null = null;
  #dueMs = Infinity;
  #round: Promise<void> | null = null;
  #stopped = false;

  /** @param own an id of this process, never used before */
  constructor(limits: RateLimits, own: string, ports: ExchangePorts, times: ExchangeTimes) {
    this.#limits = limits;
    this.#own = own;
    this.#ports = ports;
    this.#times = times;
    limits.onDemand(() => this.#in(times.reportSoonMs));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    await this.#round;
    // If it fails, the report expires.
    await this.#ports.withdraw(this.#own).catch(() => undefined);
  }

  #in(ms: number): void {
    const dueMs = performance.now() + ms;
    if (this.#stopped || this.#round !== null || dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer ?? undefined);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#dueMs = Infinity;
      this.#round = this.#exchange();
    }, ms);
  }

  async #exchange(): Promise<void> {
    let isIdle = false;
    try {
      const wanted = this.#limits.endPeriod();
      isIdle = wanted.size === 0;
      if (isIdle) await this.#ports.withdraw(this.#own);
      else {
        const { nowMs, reports } = await this.#ports.report(this.#own, formatReport(wanted), this.#times.reportTtlMs);
        const parsed = new Map([...reports].map(([process, report]) => [process, parseReport(report)]));
        this.#limits.divide(parsed, this.#own, Math.floor(nowMs / TURN_MS));
      }
      this.#ports.failures.succeeded();
    } catch (err) {
      this.#ports.failures.failed({ err });
    }
    this.#round = null;
    // Demand that came during this round has not been reported.
    if (!isIdle || this.#limits.hasDemand) this.#in(this.#times.reportEveryMs);
  }
}

import { RateLimits, type LimitedProducer } from '../limits/rate-limits.ts';
import type { Limits, Slot } from '../limits/producer-limits.ts';
import { formatReport, parseReport, type Report } from '../limits/report.ts';

export const NO_LIMITS: Limits = { eventsPerSecond: null, bytesPerSecond: null, requestsInFlight: null };

/** How a process of a simulation fares. */
export interface SimulatedProcess {
  readonly limits: RateLimits;
  accepted: number;
  refused: number;
}

/** A client on a connection to one process. */
export interface Client {
  readonly process: number;
  /** How many requests it sends a second, if none is refused. */
  readonly perSecond: number;
  readonly events: number;
  /** Whether it waits as long as a refusal says. */
  readonly isPolite: boolean;
  /** How long a request is in flight; absent: it ends at once. */
  readonly takesMs?: number;
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const STEP_MS = 5;
const PERIOD_MS = 500;
const SOON_MS = 50;
const TTL_MS = 3_000;

/**
 * Processes that share the limits of a producer, in simulated time. Each has a clock of its own with another origin, reports
 * at its own moments, and gets the answer after some milliseconds.
 */
export class LimitsWorld {
  readonly processes: SimulatedProcess[] = [];
  readonly producer: LimitedProducer;
  readonly #board = new Map<string, { report: Report; sinceMs: number }>();
  readonly #due: number[] = [];
  readonly #away = new Set<number>();
  readonly #dead = new Set<number>();
  readonly #random: () => number;
  /** When requests in flight end, by process. */
  readonly #ends: { readonly process: number; readonly atMs: number; readonly slot: Slot | null }[] = [];
  #inFlightMs = 0;
  #nowMs = 0;

  constructor(random: () => number, count: number, limits: Partial<Limits>) {
    this.#random = random;
    this.producer = { name: 'p', limits: { ...NO_LIMITS, ...limits } };
    for (let process = 0; process < count; process++) this.start();
  }

  start(): number {
    const index = this.processes.length;
    const originMs = this.#random() * 1e9;
    const limits = new RateLimits({ nowMs: () => originMs + this.#nowMs, random: this.#random });
    this.processes.push({ limits, accepted: 0, refused: 0 });
    this.#due.push(Infinity);
    limits.onDemand(() => {
      this.#due[index] = Math.min(this.#due[index] ?? Infinity, this.#nowMs + SOON_MS);
    });
    return index;
  }

  kill(process: number): void {
    this.#dead.add(process);
  }

  /** The process reaches Redis no more, or again. */
  cutOff(process: number, isAway: boolean): void {
    if (isAway) this.#away.add(process);
    else this.#away.delete(process);
  }

  /** Runs clients for some seconds. @returns the accepted events a second of each process */
  run(seconds: number, clients: readonly Client[]): number[] {
    const before = this.processes.map(({ accepted }) => accepted);
    const next = clients.map(({ perSecond }) => this.#nowMs + (this.#random() * 1000) / perSecond);
    const endMs = this.#nowMs + seconds * 1000;
    for (; this.#nowMs < endMs; this.#nowMs += STEP_MS) {
      this.#end();
      for (const [index, client] of clients.entries()) {
        while ((next[index] ?? 0) <= this.#nowMs) next[index] = (next[index] ?? 0) + this.#send(client);
      }
      this.#exchange();
    }
    return this.processes.map(({ accepted }, index) => (accepted - (before[index] ?? 0)) / seconds);
  }

  /** As `run`. @returns how many requests were in flight on average, over all processes */
  inFlight(seconds: number, clients: readonly Client[]): number {
    this.#inFlightMs = 0;
    this.run(seconds, clients);
    return this.#inFlightMs / (seconds * 1000);
  }

  #end(): void {
    const ended = this.#ends.filter(({ atMs }) => atMs <= this.#nowMs);
    for (const one of ended) {
      this.#ends.splice(this.#ends.indexOf(one), 1);
      if (!this.#dead.has(one.process)) one.slot?.leave();
    }
    this.#inFlightMs += this.#ends.length * STEP_MS;
  }

  /** @returns after how many milliseconds the client sends again */
  #send({ process, perSecond, events, isPolite, takesMs }: Client): number {
    const pauseMs = (-Math.log(1 - this.#random()) * 1000) / perSecond;
    const at = this.processes[process];
    if (at === undefined || this.#dead.has(process)) return pauseMs;
    let refusal = at.limits.check(this.producer);
    if (refusal === null) {
      const slot = at.limits.enter(this.producer);
      refusal = at.limits.charge(this.producer, events, events * 100);
      if (takesMs === undefined || refusal !== null) slot?.leave();
      else this.#ends.push({ process, atMs: this.#nowMs + takesMs, slot });
    }
    if (refusal === null) {
      at.accepted += events;
      return pauseMs;
    }
    at.refused += 1;
    return isPolite ? Number(refusal.headers?.['Retry-After']) * 1000 : pauseMs;
  }

  #exchange(): void {
    for (const [index, { limits }] of this.processes.entries()) {
      if (this.#dead.has(index) || this.#nowMs < (this.#due[index] ?? Infinity)) continue;
      this.#due[index] = limits.hasDemand ? this.#nowMs + PERIOD_MS : Infinity;
      const report = limits.endPeriod();
      if (this.#away.has(index)) continue;
      if (report.size === 0) this.#board.delete(String(index));
      else this.#board.set(String(index), { report: parseReport(formatReport(report)), sinceMs: this.#nowMs });
      for (const [id, { sinceMs }] of this.#board) if (this.#nowMs - sinceMs >= TTL_MS) this.#board.delete(id);
      const reports = new Map([...this.#board].map(([id, one]) => [id, one.report]));
      if (report.size > 0) limits.divide(reports, String(index), Math.floor(this.#nowMs / 5_000));
    }
  }
}

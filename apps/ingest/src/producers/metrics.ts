import { Counter, Gauge, type Registry } from '@sink/runtime';
import type { RefusalReason } from '../metrics.ts';

/** The label of requests that match no producer. Names of producers do not begin so. */
const UNKNOWN = '_unknown';

interface Counts {
  events: number;
  requests: number;
  readonly refused: Map<RefusalReason, { events: number; requests: number }>;
}

/** What ingest counts by producer. The labels are bounded: the names of the configuration, and one for all others. */
export class ProducerMetrics {
  readonly #counts = new Map<string, Counts>();
  #troubles: () => Iterable<readonly [producer: string, trouble: string | null]> = () => [];

  constructor(registry: Registry) {
    const registers = [registry];
    const accepted: Counter = new Counter({
      name: 'sink_ingest_producer_events_accepted_total',
      help: 'Events that were answered with 2xx, by producer. Only with `producers`.',
      labelNames: ['producer'],
      registers,
      collect: () => {
        accepted.reset();
        for (const [producer, { events }] of this.#counts) accepted.inc({ producer }, events);
      },
    });
    const requests: Counter = new Counter({
      name: 'sink_ingest_producer_requests_accepted_total',
      help: 'Requests that were answered with 2xx, by producer. Only with `producers`.',
      labelNames: ['producer'],
      registers,
      collect: () => {
        requests.reset();
        for (const [producer, counts] of this.#counts) requests.inc({ producer }, counts.requests);
      },
    });
    const refused: Counter = new Counter({
      name: 'sink_ingest_producer_requests_refused_total',
      help: 'Requests that were not answered with 2xx, by producer and reason; `_unknown`: they match none. Only with `producers`.',
      labelNames: ['producer', 'reason'],
      registers,
      collect: () => {
        refused.reset();
        for (const [producer, counts] of this.#counts) {
          for (const [reason, count] of counts.refused) refused.inc({ producer, reason }, count.requests);
        }
      },
    });
    const refusedEvents: Counter = new Counter({
      name: 'sink_ingest_producer_events_refused_total',
      help: 'Events of these requests, as far as they were decoded, by producer and reason. Only with `producers`.',
      labelNames: ['producer', 'reason'],
      registers,
      collect: () => {
        refusedEvents.reset();
        for (const [producer, counts] of this.#counts) {
          for (const [reason, count] of counts.refused) refusedEvents.inc({ producer, reason }, count.events);
        }
      },
    });
    const trouble: Gauge = new Gauge({
      name: 'sink_ingest_producer_trouble',
      help: '1 while something is wrong with the credential of a producer, such as a file with tokens that is empty or cannot be read. Only with `producers`.',
      labelNames: ['producer'],
      // Workers read the same files: this is no sum.
      aggregator: 'max',
      registers,
      collect: () => {
        trouble.reset();
        for (const [producer, problem] of this.#troubles()) trouble.set({ producer }, problem === null ? 0 : 1);
      },
    });
  }

  /** Shows these producers from 0 on: Prometheus does not see the increase of a counter that begins at 1. */
  show(producers: readonly string[], troubles: () => Iterable<readonly [string, string | null]>): void {
    this.#troubles = troubles;
    if (producers.length === 0) return;
    for (const name of [...producers, UNKNOWN]) this.#of(name);
    for (const reason of ['credentials', 'credentials_twice'] as const) this.#refusedFor(UNKNOWN, reason);
  }

  accepted(producer: string, events: number): void {
    const counts = this.#of(producer);
    counts.events += events;
    counts.requests += 1;
  }

  /** @param producer null: the request matches none */
  refused(producer: string | null, reason: RefusalReason, events: number): void {
    const count = this.#refusedFor(producer ?? UNKNOWN, reason);
    count.events += events;
    count.requests += 1;
  }

  #of(producer: string): Counts {
    let counts = this.#counts.get(producer);
    if (counts === undefined) {
      counts = { events: 0, requests: 0, refused: new Map() };
      this.#counts.set(producer, counts);
    }
    return counts;
  }

  #refusedFor(producer: string, reason: RefusalReason): { events: number; requests: number } {
    const { refused } = this.#of(producer);
    let count = refused.get(reason);
    if (count === undefined) {
      count = { events: 0, requests: 0 };
      refused.set(reason, count);
    }
    return count;
  }
}

import { Counter, Gauge, type Registry } from '@sink/runtime';
import type { ValidationResult } from '@sink/schemas';

/** As a list here, because libs/schemas is loaded only where it is needed. */
const RESULTS: readonly ValidationResult[] = [
  'valid',
  'invalid',
  'no_schema',
  'no_json',
  'not_found',
  'unusable',
  'away',
];
const FOUND = ['document', 'absent', 'unusable', 'away'] as const;
const WORKS = ['compile', 'evaluate'] as const;
const OUTCOMES = ['done', 'overrun', 'late'] as const;

export interface CacheCounts {
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

const NO_COUNTS: CacheCounts = { entries: 0, bytes: 0, hits: 0, misses: 0 };

/** What validation counts. Events are counted in plain numbers, as in IngestMetrics. */
export class ValidationMetrics {
  readonly #events = Object.fromEntries(RESULTS.map((result) => [result, 0])) as Record<ValidationResult, number>;
  readonly #fetches: Counter<'result'>;
  readonly #jobs: Counter<'work' | 'outcome'>;

  /** @param cache null while there is none */
  constructor(registry: Registry, cache: () => CacheCounts | null) {
    const registers = [registry];
    const events: Counter<'result'> = new Counter({
      name: 'sink_ingest_validated_events_total',
      help: 'Events that came to validation, by result. `no_schema`: without dataschema. `no_json`: data absent or not JSON. `not_found`: no source has the schema. `unusable`: the schema cannot be used, or not for this data. `away`: nobody could say in time. Only with validate.',
      labelNames: ['result'],
      registers,
      collect: () => {
        events.reset();
        for (const [result, count] of Object.entries(this.#events)) events.inc({ result }, count);
      },
    });
    this.#fetches = new Counter({
      name: 'sink_ingest_schema_fetches_total',
      help: 'Questions to registries and hosts for a schema, by result. Only with validate.',
      labelNames: ['result'],
      registers,
    });
    for (const result of FOUND) this.#fetches.inc({ result }, 0);
    this.#jobs = new Counter({
      name: 'sink_ingest_schema_jobs_total',
      help: 'Schemas compiled, and events evaluated apart because that may take long. `overrun`: it used up its time or memory, and its thread was replaced. `late`: it had no turn. Only with validate.',
      labelNames: ['work', 'outcome'],
      registers,
    });
    for (const work of WORKS) for (const outcome of OUTCOMES) this.#jobs.inc({ work, outcome }, 0);
    const gauge = (name: string, help: string, value: (counts: CacheCounts) => number): void => {
      const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(value(cache() ?? NO_COUNTS)) });
    };
    gauge(
      'sink_ingest_schema_cache_entries',
      'Schemas that are kept, and failures. Only with validate.',
      ({ entries }) => entries,
    );
    gauge('sink_ingest_schema_cache_bytes', 'What they are taken to need. Only with validate.', ({ bytes }) => bytes);
    const lookups: Counter<'result'> = new Counter({
      name: 'sink_ingest_schema_cache_lookups_total',
      help: 'Searches for the schema of an event among those that are kept. Only with validate.',
      labelNames: ['result'],
      registers,
      collect: () => {
        const { hits, misses } = cache() ?? NO_COUNTS;
        lookups.reset();
        lookups.inc({ result: 'hit' }, hits);
        lookups.inc({ result: 'miss' }, misses);
      },
    });
  }

  event(result: ValidationResult): void {
    this.#events[result] += 1;
  }

  readonly fetched = (result: (typeof FOUND)[number]): void => this.#fetches.inc({ result });

  readonly threaded = (work: (typeof WORKS)[number], outcome: (typeof OUTCOMES)[number]): void =>
    this.#jobs.inc({ work, outcome });
}

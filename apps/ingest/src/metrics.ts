import type { MessageErrorCode } from '@sink/cloudevents';
import { Counter, Gauge, Histogram } from '@sink/runtime';
import type { Registry } from '@sink/runtime';
import { ASIDE, type Aside } from '@sink/routing';
import type { AppendOutcome } from './commit/appender.ts';
import type { StoringCounts } from './commit/storing-watch.ts';
import type { LimitName } from './limits/producer-limits.ts';
import { ProducerMetrics } from './producers/metrics.ts';

/** Why a request got no 2xx: a closed set, because it is a metric label. */
export type RefusalReason =
  | MessageErrorCode
  | Exclude<AppendOutcome, 'stored' | 'gone'>
  | 'body_too_large'
  | 'header_too_large'
  | 'content_encoding'
  | 'compressed_data'
  | 'transfer_encoding'
  | 'method'
  | 'malformed_http'
  | 'too_slow'
  | 'in_flight_full'
  | LimitName
  | 'producer_in_flight_bytes'
  | 'disconnected'
  | 'credentials'
  | 'credentials_twice'
  | 'signature'
  | 'forbidden'
  | 'not_allowed'
  | 'keys_away'
  | 'schema'
  | 'schema_away'
  | 'internal';

/** Each from 0 on: Prometheus does not see the increase of a counter that begins at 1. */
const NO_REFUSALS: Readonly<Record<RefusalReason, 0>> = {
  content_type: 0,
  event_format: 0,
  charset: 0,
  utf8: 0,
  json: 0,
  surrogate: 0,
  missing_attribute: 0,
  duplicate_attribute: 0,
  attribute_name: 0,
  attribute_value: 0,
  specversion: 0,
  data: 0,
  batch: 0,
  backlog_full: 0,
  redis_away: 0,
  in_doubt: 0,
  overloaded: 0,
  stopping: 0,
  body_too_large: 0,
  header_too_large: 0,
  content_encoding: 0,
  compressed_data: 0,
  transfer_encoding: 0,
  method: 0,
  malformed_http: 0,
  too_slow: 0,
  in_flight_full: 0,
  events_per_second: 0,
  bytes_per_second: 0,
  requests_in_flight: 0,
  producer_in_flight_bytes: 0,
  disconnected: 0,
  credentials: 0,
  credentials_twice: 0,
  signature: 0,
  forbidden: 0,
  not_allowed: 0,
  keys_away: 0,
  schema: 0,
  schema_away: 0,
  internal: 0,
};

/** Why an event is in quarantine: the mistakes of which the producer would be told with a 4xx. */
export type QuarantineReason = MessageErrorCode | 'compressed_data' | 'schema';

const NOTHING_QUARANTINED: Readonly<Record<QuarantineReason, 0>> = {
  content_type: 0,
  event_format: 0,
  charset: 0,
  utf8: 0,
  json: 0,
  surrogate: 0,
  missing_attribute: 0,
  duplicate_attribute: 0,
  attribute_name: 0,
  attribute_value: 0,
  specversion: 0,
  data: 0,
  batch: 0,
  compressed_data: 0,
  schema: 0,
};

/** What of the quarantine's limits a request exceeds. */
export type QuarantineLimit = 'bytes' | 'per_second';

/** Figures that are read when the metrics are. */
export interface AdmissionGauges {
  readonly usedBytes: number;
  readonly waitingRequests: number;
}

/** What a 2xx rests on. */
export interface DurabilityInForce {
  readonly durability: string;
  readonly barrier: { readonly waitaof: boolean; readonly replicas: number };
}

const ACK_SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/**
 * What ingest counts. It counts requests in plain numbers, and gives them to prom-client when the metrics are read: the
 * labelled counters of prom-client hash their labels at every call, which shows at tens of thousands of requests a second.
 */
export class IngestMetrics {
  /** By producer; nothing without producers. */
  readonly producers: ProducerMetrics;
  #acceptedEvents = 0;
  #duplicateEvents = 0;
  #droppedConnections = 0;
  #opaqueEvents = 0;
  readonly #dropped = new Map<string, number>();
  readonly #filterErrors = new Map<string, number>();
  readonly #aside = new Map<Aside, number>(ASIDE.map((reason) => [reason, 0]));
  readonly #requests = new Map<number, number>();
  readonly #refused: Record<RefusalReason, number> = { ...NO_REFUSALS };
  readonly #quarantined: Record<QuarantineReason, number> = { ...NOTHING_QUARANTINED };
  readonly #quarantineLimited: Record<QuarantineLimit, number> = { bytes: 0, per_second: 0 };
  readonly #ackSeconds: Histogram;

  constructor(registry: Registry, admission: AdmissionGauges, inForce: DurabilityInForce) {
    this.producers = new ProducerMetrics(registry);
    const registers = [registry];
    const accepted = new Counter({
      name: 'sink_ingest_events_accepted_total',
      help: 'Events that were answered with 2xx, because they are stored durably. Includes those that sink_ingest_events_duplicate_total counts.',
      registers,
      collect: () => {
        accepted.reset();
        accepted.inc(this.#acceptedEvents);
      },
    });
    const duplicates: Counter = new Counter({
      name: 'sink_ingest_events_duplicate_total',
      help: 'Accepted events that were not stored again, because they had been stored within dedupe_window.',
      registers,
      collect: () => {
        duplicates.reset();
        duplicates.inc(this.#duplicateEvents);
      },
    });
    const opaque: Counter = new Counter({
      name: 'sink_ingest_events_opaque_total',
      help: 'Accepted events whose data was declared as JSON and is not, or has an unpaired surrogate. Its bytes are stored as data_base64.',
      registers,
      collect: () => {
        opaque.reset();
        opaque.inc(this.#opaqueEvents);
      },
    });
    const droppedEvents: Counter = new Counter({
      name: 'sink_ingest_events_dropped_total',
      help: 'Accepted events that a route with `drop: true` does not store, by route.',
      labelNames: ['route'],
      registers,
      collect: () => {
        droppedEvents.reset();
        for (const [route, count] of this.#dropped) droppedEvents.inc({ route }, count);
      },
    });
    const filterErrors: Counter = new Counter({
      name: 'sink_ingest_filter_errors_total',
      help: 'Errors of expressions in the filter of a route, by route. An event whose expression has an error does not match.',
      labelNames: ['route'],
      registers,
      collect: () => {
        filterErrors.reset();
        for (const [route, count] of this.#filterErrors) filterErrors.inc({ route }, count);
      },
    });
    const aside: Counter = new Counter({
      name: 'sink_ingest_events_aside_total',
      help: 'Accepted events that are not where `path` says: their time is further behind than late_after, or ahead than early_after (both are in late/), or max_partitions was reached (other/).',
      labelNames: ['reason'],
      registers,
      collect: () => {
        aside.reset();
        for (const [reason, count] of this.#aside) aside.inc({ reason }, count);
      },
    });
    const requests: Counter = new Counter({
      name: 'sink_ingest_requests_total',
      help: 'Requests, by the status of the answer.',
      labelNames: ['status'],
      registers,
      collect: () => {
        requests.reset();
        for (const [status, count] of this.#requests) requests.inc({ status: String(status) }, count);
      },
    });
    const refused: Counter = new Counter({
      name: 'sink_ingest_requests_refused_total',
      help: 'Requests that were not answered with 2xx, by reason.',
      labelNames: ['reason'],
      registers,
      collect: () => {
        refused.reset();
        for (const [reason, count] of Object.entries(this.#refused)) refused.inc({ reason }, count);
      },
    });
    const quarantined: Counter = new Counter({
      name: 'sink_ingest_events_quarantined_total',
      help: 'Refused events that are kept in quarantine, by reason. Their requests were answered with 2xx.',
      labelNames: ['reason'],
      registers,
      collect: () => {
        quarantined.reset();
        for (const [reason, count] of Object.entries(this.#quarantined)) quarantined.inc({ reason }, count);
      },
    });
    const limited: Counter = new Counter({
      name: 'sink_ingest_quarantine_limited_total',
      help: 'Requests that were refused although on_invalid is quarantine, because they exceeded quarantine_max_bytes or quarantine_max_per_second.',
      labelNames: ['limit'],
      registers,
      collect: () => {
        limited.reset();
        for (const [limit, count] of Object.entries(this.#quarantineLimited)) limited.inc({ limit }, count);
      },
    });
    const dropped: Counter = new Counter({
      name: 'sink_ingest_connections_dropped_total',
      help: 'Connections that were closed unheard, because the limit of open files is reached (ulimit -n).',
      registers,
      collect: () => {
        dropped.reset();
        dropped.inc(this.#droppedConnections);
      },
    });
    const inFlight: Gauge = new Gauge({
      name: 'sink_ingest_in_flight_bytes',
      help: 'Bytes of request bodies that ingest is reading or that wait for Redis.',
      registers,
      collect: () => inFlight.set(admission.usedBytes),
    });
    const waiting: Gauge = new Gauge({
      name: 'sink_ingest_waiting_requests',
      help: 'Requests that wait because max_in_flight_bytes is reached.',
      registers,
      collect: () => waiting.set(admission.waitingRequests),
    });
    this.#ackSeconds = new Histogram({
      name: 'sink_ingest_ack_seconds',
      help: 'Seconds from the header of a request to its 2xx.',
      buckets: ACK_SECONDS_BUCKETS,
      registers,
    });
    const durability = new Gauge({
      name: 'sink_durability_info',
      help: 'Always 1; the labels say which durability a 2xx guarantees.',
      labelNames: ['durability', 'waitaof', 'replicas'],
      // Several workers have one durability, not a sum.
      aggregator: 'max',
      registers,
    });
    const { waitaof, replicas } = inForce.barrier;
    durability.set({ durability: inForce.durability, waitaof: String(waitaof), replicas: String(replicas) }, 1);
  }

  /** How requests with events ended so far. */
  get storing(): StoringCounts {
    return { stored: this.#requests.get(202) ?? 0, full: this.#refused.backlog_full };
  }

  accepted(events: number, durationMs: number): void {
    this.#acceptedEvents += events;
    this.#ackSeconds.observe(durationMs / 1000);
  }

  /** Events among the accepted ones that had been stored before. */
  duplicates(events: number): void {
    this.#duplicateEvents += events;
  }

  connectionDropped(): void {
    this.#droppedConnections += 1;
  }

  /** Events among the accepted ones whose data is kept as bytes because it is not sound JSON. */
  opaque(events: number): void {
    this.#opaqueEvents += events;
  }

  /** The routes of the configuration, so that their counters begin at 0. */
  knowRoutes(routes: readonly { readonly name: string; readonly drop: boolean }[]): void {
    for (const { name, drop } of routes) {
      if (drop) this.#dropped.set(name, 0);
      this.#filterErrors.set(name, 0);
    }
  }

  /** An event among the accepted ones that this route drops. */
  dropped(route: string): void {
    this.#dropped.set(route, (this.#dropped.get(route) ?? 0) + 1);
  }

  /** An expression in the filter of this route had an error. */
  filterFailed(route: string): void {
    this.#filterErrors.set(route, (this.#filterErrors.get(route) ?? 0) + 1);
  }

  /** An event among the accepted ones that is in late/ or other/. */
  aside(reason: Aside): void {
    this.#aside.set(reason, (this.#aside.get(reason) ?? 0) + 1);
  }

  /** A refused event that is kept. */
  quarantined(reason: QuarantineReason): void {
    this.#quarantined[reason] += 1;
  }

  quarantineLimited(limit: QuarantineLimit): void {
    this.#quarantineLimited[limit] += 1;
  }

  answered(status: number): void {
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1);
  }

  refused(reason: RefusalReason): void {
    this.#refused[reason] += 1;
  }
}

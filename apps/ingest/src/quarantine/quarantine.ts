import { randomBytes } from 'node:crypto';
import {
  evidenceId,
  evidenceLine,
  ID_RANDOM_BYTES,
  QUARANTINE_ROUTE,
  type RefusedEvent,
  type RefusedRequest,
} from '@sink/domain';
import { type Clock, FailureReporter, type Logger } from '@sink/runtime';
import { type Part } from '../commit/appender.ts';
import type { IngestMetrics, QuarantineLimit, QuarantineReason } from '../metrics.ts';
import { QuarantinePace } from './quarantine-pace.ts';

export interface QuarantineSettings {
  readonly onInvalid: 'reject' | 'quarantine';
  /** Bytes of a line, without its LF. */
  readonly quarantineMaxBytes: number;
  readonly quarantineMaxPerSecond: number;
}

export interface QuarantinePorts {
  readonly metrics: IngestMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A refused event, whose reason is one of the metric's. */
export interface Refused extends RefusedEvent {
  readonly reason: QuarantineReason;
}

/** Lines of evidence that go into the append of their request. */
export interface KeptEvidence {
  readonly request: RefusedRequest;
  readonly events: readonly Refused[];
  readonly lines: readonly string[];
}

const LOG_EVERY_MS = 60_000;

/**
 * Turns refused events into lines of evidence, within the limits, and reports those that were stored. A request with more
 * or larger events than the limits allow is answered as if nothing were kept: with a 4xx, and without storing any of it.
 */
export class Quarantine {
  readonly #settings: QuarantineSettings;
  readonly #ports: QuarantinePorts;
  readonly #pace: QuarantinePace;
  readonly #kept: FailureReporter;
  readonly #limited: FailureReporter;

  /** @param settings read at each use */
  constructor(settings: QuarantineSettings, ports: QuarantinePorts) {
    this.#settings = settings;
    this.#ports = ports;
    this.#pace = new QuarantinePace(settings, () => ports.clock.monotonicMs());
    // Without readiness: what others send makes no service unready.
    const { log, clock } = ports;
    this.#kept = new FailureReporter(
      { log, clock },
      {
        name: 'quarantine',
        failing: 'refused events are kept in quarantine',
        working: null,
        logEveryMs: LOG_EVERY_MS,
      },
    );
    this.#limited = new FailureReporter(
      { log, clock },
      {
        name: 'quarantine',
        failing: 'a limit of the quarantine is exceeded: requests get a 4xx, and nothing of them is kept',
        working: null,
        logEveryMs: LOG_EVERY_MS,
      },
    );
  }

  get isOn(): boolean {
    return this.#settings.onInvalid === 'quarantine';
  }

  /** How many refused events a request may have now. */
  get room(): number {
    return this.#pace.left;
  }

  /** The evidence of these events, in order; null: they exceed a limit, and the whole request is to be refused. */
  keep(request: RefusedRequest, events: readonly Refused[]): KeptEvidence | null {
    const { quarantineMaxBytes } = this.#settings;
    if (events.length > this.#pace.left) return this.limited('per_second');
    const lines: string[] = [];
    for (const [sequence, event] of events.entries()) {
      if (event.bytes.length > quarantineMaxBytes) return this.limited('bytes');
      const id = evidenceId(request.refusedAtMs, sequence, randomBytes(ID_RANDOM_BYTES));
      const line = evidenceLine(id, request, event);
      if (Buffer.byteLength(line) > quarantineMaxBytes) return this.limited('bytes');
      lines.push(line);
    }
    this.#pace.take(events.length);
    return { request, events, lines };
  }

  /** Notes a request that exceeds a limit. */
  limited(limit: QuarantineLimit): null {
    this.#ports.metrics.quarantineLimited(limit);
    this.#limited.failed({ limit }, { kind: limit });
    return null;
  }

  /** Notes evidence that is durable now. */
  stored({ request: { producer, path }, events }: KeptEvidence): void {
    for (const { reason, why } of events) {
      this.#ports.metrics.quarantined(reason);
      this.#kept.failed({ reason, why, producer, path }, { kind: reason });
    }
  }
}

/** What a request has for each destination. Evidence is never dropped as a duplicate. */
export function withEvidence(parts: readonly Part[], evidence: KeptEvidence | null): readonly Part[] {
  if (evidence === null) return parts;
  const kept: Part = { route: QUARANTINE_ROUTE, path: null, lines: evidence.lines, dedupe: false };
  return [...parts, kept];
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '@sink/runtime';
import { INTERNAL, NO_ROOM, OVERLOADED, type Refusal, sendRefusal, TOO_SLOW } from './answers.ts';
import type { Slot } from '../limits/producer-limits.ts';
import type { IngestMetrics } from '../metrics.ts';
import type { Producer, Producers } from '../producers/producers.ts';
import { PACE_OF_LARGE_BODIES, PACE_OF_LIMITS, RefusalPace } from './refusal-pace.ts';
import type { RequestSpan, RequestSpans } from './request-span.ts';

/** Smaller bodies that find no room are always refused at once. */
const SMALL_BODY_BYTES = 64 * 1024;
const FOR_LACK_OF_ROOM: ReadonlySet<Refusal> = new Set([NO_ROOM, OVERLOADED, TOO_SLOW]);

/** A request with events on its way. */
export interface EventRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Monotonic. */
  readonly startMs: number;
  /** How long it has waited before its body was asked for. */
  lateMs: number;
  /** Who has sent it; null: it is not known, or does not matter. */
  producer: Producer | null;
  /** What it holds of its producer's requests in flight; null: it does not count. */
  slot: Slot | null;
  /** Of its events, how many have data that is kept as bytes. */
  opaqueEvents: number;
  /** Its span; null: it is not sampled. Undefined: it has not begun. */
  span: RequestSpan | null | undefined;
}

/** What bounds the requests of producers. */
export interface ProducerLimiter {
  /** Whether a request may begin, which is one of these producers'. */
  check(...producers: readonly Producer[]): Refusal | null;
  /** A request begins. Null: it does not count as in flight. */
  enter(producer: Producer): Slot | null;
  /** Charges a request, and the events of it that are known. `bytes` as they were received. */
  charge(producer: Producer, events: number, bytes: number): Refusal | null;
}

export interface RequestEndsPorts {
  metrics: IngestMetrics;
  producers?: Producers | null;
  closing: () => boolean;
  log: Logger;
}

/** How requests end that are not answered with a 202: the answer and its pace, the counts, the span. */
export class RequestEnds {
  readonly #ports: RequestEndsPorts;
  /** Null: nothing is traced. */
  readonly #spans: RequestSpans | null;
  readonly #pace: RefusalPace;
  readonly #paceOfLimits: RefusalPace;

  constructor(ports: RequestEndsPorts, spans: RequestSpans | null) {
    this.#ports = ports;
    this.#spans = spans;
    this.#pace = new RefusalPace(PACE_OF_LARGE_BODIES, ports.closing);
    this.#paceOfLimits = new RefusalPace(PACE_OF_LIMITS, ports.closing);
  }

  /** Refuses a request before its events are submitted. @param events how many of its events are known */
  refuseEarly(request: EventRequest, refusal: Refusal, events = 0): void {
    this.#endSpan(request, refusal.status, refusal.reason);
    const pace = this.#paceOf(request, refusal);
    if (pace === null) {
      this.#refuse(request, refusal, events);
      return;
    }
    // What waits for its answer is not in flight.
    this.leave(request);
    request.req.pause();
    pace.inTurn(() => this.#refuse(request, refusal, events));
  }

  /** Ends a request that cannot be handled: it is our fault. */
  fail(request: EventRequest, error: unknown): void {
    this.#ports.log.error({ err: error, producer: request.producer?.name }, 'handling a request failed');
    this.refuseEarly(request, INTERNAL);
  }

  /** Refuses a request whose events were submitted. */
  refuseSubmitted(request: EventRequest, refusal: Refusal, events: number): void {
    this.#endSpan(request, refusal.status, refusal.reason);
    this.#refuse(request, refusal, events);
  }

  /** Its client has left: nothing can be answered. */
  gone(request: EventRequest, events = 0): void {
    this.#endSpan(request, null, 'disconnected');
    this.#ports.metrics.refused('disconnected');
    this.#countRefused(request, 'disconnected', events);
    this.leave(request);
  }

  /** Refuses a request that has no events. */
  refuse(req: IncomingMessage, res: ServerResponse, refusal: Refusal): void {
    const { metrics, closing } = this.#ports;
    metrics.refused(refusal.reason);
    metrics.answered(refusal.status);
    sendRefusal(req, res, refusal, closing());
  }

  /** It is no longer in flight for its producer. */
  leave(request: EventRequest): void {
    const { slot } = request;
    request.slot = null;
    slot?.leave();
  }

  #endSpan({ req, startMs, producer, span }: EventRequest, status: number | null, reason: string): void {
    if (span === undefined) this.#spans?.ended(req, startMs, status, reason, producer?.name);
    else span?.end(status, reason, producer?.name);
  }

  /** Null: its answer comes at once. */
  #paceOf({ req }: EventRequest, refusal: Refusal): RefusalPace | null {
    if (refusal.status === 429) return this.#paceOfLimits;
    return FOR_LACK_OF_ROOM.has(refusal) && mayBeLarge(req) ? this.#pace : null;
  }

  #refuse(request: EventRequest, refusal: Refusal, events: number): void {
    this.#countRefused(request, refusal.reason, events);
    this.leave(request);
    this.refuse(request.req, request.res, refusal);
  }

  #countRefused({ producer }: EventRequest, reason: Refusal['reason'], events: number): void {
    const { metrics, producers = null } = this.#ports;
    if (producers === null || producers.isOpen) return;
    metrics.producers.refused(producer?.name ?? null, reason, events);
  }
}

function mayBeLarge({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > SMALL_BODY_BYTES;
}

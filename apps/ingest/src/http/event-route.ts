import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Decoding } from '@sink/cloudevents';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Clock, Logger } from '@sink/runtime';
import type { Judged } from '@sink/schemas';
import type { Routing } from '@sink/routing';
import type { Tracing } from '@sink/tracing';
import type { Admission } from './admission.ts';
import { NO_BODY, NO_BODY_AND_CLOSE, OVERLOADED, PRODUCER_NO_ROOM, refusalOfOutcome, sendEmpty } from './answers.ts';
import type { Refusal } from './answers.ts';
import { type AppendOutcome, type EventAppender, plainParts } from '../commit/appender.ts';
import { type EventRequest, type ProducerLimiter, RequestEnds } from './event-request.ts';
import { type BodyRoom, type BodyRooms, UNVERIFIED } from '../limits/body-rooms.ts';
import type { Lateness } from './lateness.ts';
import { type DecodingSettings, MessageDecoder } from './message-decoder.ts';
import type { IngestMetrics } from '../metrics.ts';
import type { Producer, Producers, Signed } from '../producers/producers.ts';
import { notAllowed } from '../producers/refusals.ts';
import { type Decoded, withoutInvalid } from '../quarantine/decode-apart.ts';
import { type KeptEvidence, Quarantine, type QuarantineSettings, withEvidence } from '../quarantine/quarantine.ts';
import { refusedRequest } from '../quarantine/refused-request.ts';
import { invalidData, schemasAway } from '../validation/refusals.ts';
import type { Validation } from '../validation/validation.ts';
import { receiveBody } from './receive.ts';
import type { ReceivedBody, Verify } from './reception.ts';
import { RequestSpans } from './request-span.ts';
import { SenderCheck } from './sender-check.ts';

export interface EventSettings extends DecodingSettings, QuarantineSettings {
  readonly maxBodyBytes: number;
  /** How long a request may wait in all: one that is read too late for that is refused at once. In milliseconds. */
  readonly holdMaxMs: number;
}

export interface EventRouteOptions {
  appender: EventAppender;
  admission: Admission;
  /** Read at each request. */
  settings: EventSettings;
  metrics: IngestMetrics;
  /** Null or absent: whoever reaches the port may send. */
  producers?: Producers | null;
  /** Null or absent: producers have no limits. */
  limiter?: ProducerLimiter | null;
  /** Bounds what a producer holds of `max_in_flight_bytes`; null or absent: nothing does. */
  bodyRooms?: Pick<BodyRooms, 'of'> | null;
  /** Null or absent: events are not validated. */
  validation?: Validation | null;
  /** Null or absent: each event goes to the slot of its acceptance. */
  router?: Routing | null;
  lateness: Lateness;
  /** How long a request had waited when it was read. 0 unless ingest is behind: then it counts as held for so long. */
  waitedMs: (req: IncomingMessage, nowMs: number) => number;
  clock: Clock;
  log: Logger;
  /** Null or absent: nothing is traced. */
  tracing?: Tracing | null;
  /** True while the server stops: each answer then ends its connection. */
  closing: () => boolean;
}

const LARGE_BODY_BYTES = 1024 * 1024;

/**
 * Takes the events of a POST or PUT. It reads from Node's request and answers on Node's response, without a promise for each
 * request: with one event a request, the Fetch objects would cost as much as all the rest.
 *
 * A request passes these checks in this order; RequestEnds ends it at any of them:
 *
 * | method      | answers       | asks                                                                              |
 * | ----------- | ------------- | --------------------------------------------------------------------------------- |
 * | `take`      | 503           | is there time to store it?                                                        |
 * | SenderCheck | 401, 403, 503 | who sends it? (the head of the request)                                           |
 * | SenderCheck | 429           | how many requests of this producer are in flight?                                 |
 * | `#receive`  | 413, 415, 503 | the body; of a producer that signs, SenderCheck sees it as it came: 401, 429      |
 * | `#decode`   | 400, 415      | is it a CloudEvent?                                                               |
 * | `#judge`    | 429, 403      | may this producer send so much (429 comes before a 400 too), and this?            |
 * | `#validate` | 400, 503      | does its data conform to its schema?                                              |
 * | `#keep`     | 400, 415      | can the quarantine keep what is no CloudEvent?                                    |
 * | `#store`    | 202, 503      |                                                                                   |
 */
export class EventRoute {
  readonly #options: EventRouteOptions;
  readonly #decoder: MessageDecoder;
  readonly #quarantine: Quarantine;
  readonly #senders: SenderCheck;
  readonly #ends: RequestEnds;
  /** Null: nothing is traced. */
  readonly #spans: RequestSpans | null;

  constructor(options: EventRouteOptions) {
    this.#options = options;
    const { settings } = options;
    const spans = options.tracing ? new RequestSpans(options.tracing) : null;
    this.#spans = spans;
    this.#ends = new RequestEnds(options, spans);
    this.#senders = new SenderCheck(options, this.#ends, (request, signed) => this.#receive(request, signed));
    this.#quarantine = new Quarantine(settings, options);
    this.#decoder = new MessageDecoder(settings, { quarantine: this.#quarantine, spans, log: options.log });
  }

  take(req: IncomingMessage, res: ServerResponse): Response {
    const { settings, lateness, clock, waitedMs, producers = null } = this.#options;
    const startMs = clock.monotonicMs();
    const lateMs = waitedMs(req, startMs);
    const request: EventRequest = {
      req,
      res,
      startMs,
      lateMs,
      producer: null,
      slot: null,
      opaqueEvents: 0,
      span: undefined,
    };
    // Its client may not wait for the answer any more when its events are stored.
    if (lateMs + lateness.appendMs > settings.holdMaxMs) this.#ends.refuseEarly(request, OVERLOADED);
    else if (producers === null || producers.isOpen) this.#receive(request, null);
    else this.#senders.identify(request, producers); // next: sender-check.ts, which goes on with #receive
    return RESPONSE_ALREADY_SENT;
  }

  /** Refuses a request that has no events. */
  refuse(req: IncomingMessage, res: ServerResponse, refusal: Refusal): Response {
    this.#ends.refuse(req, res, refusal);
    return RESPONSE_ALREADY_SENT;
  }

  #receive(request: EventRequest, signed: Signed | null): void {
    const { admission, settings } = this.#options;
    const { req, res } = request;
    const roomOf = request.producer?.name ?? (signed === null ? null : UNVERIFIED);
    const room = (roomOf !== null && this.#options.bodyRooms?.of(roomOf)) || null;
    const verify: Verify | null = signed === null ? null : (body) => this.#verify(request, signed, body, room);
    // next: receive.ts, which calls back once with the body
    receiveBody(req, res, admission, { maxBodyBytes: settings.maxBodyBytes, room, verify }, (received) => {
      switch (received.kind) {
        case 'gone':
          this.#ends.gone(request);
          break;
        case 'refused':
          this.#ends.refuseEarly(request, received.refusal);
          break;
        case 'failed':
          this.#ends.fail(request, received.error);
          break;
        case 'body':
          try {
            this.#decode(request, received);
          } catch (error) {
            this.#fail(request, received, error);
          }
      }
    });
  }

  /** Its body counts for its producer as soon as that is known. */
  #verify(request: EventRequest, signed: Signed, body: Buffer, room: BodyRoom | null): Refusal | null {
    const refusal = this.#senders.verify(request, signed, body);
    if (refusal !== null || request.producer === null) return refusal;
    return room?.moveTo(request.producer.name) === false ? PRODUCER_NO_ROOM : null;
  }

  #decode(request: EventRequest, received: ReceivedBody): void {
    const message = this.#decoder.decode(request.req.rawHeaders, received, request.producer?.name);
    const { lines, refused } = message;
    const refusal = this.#judge(request.producer, message, received.receivedBytes);
    if (refusal !== null) this.#refuseDecoded(request, received, refusal, lines.length + refused.length);
    else this.#validate(request, message, received);
  }

  #validate(request: EventRequest, message: Decoded, received: ReceivedBody): void {
    request.opaqueEvents = this.#decoder.opaqueEvents;
    const { validation = null, settings, clock } = this.#options;
    if (validation?.isOn !== true || message.lines.length === 0) {
      this.#storeOrKeep(request, message, received);
      return;
    }
    // Live settings may change while schemas are fetched.
    const decoding = { ...this.#decoder.decoding };
    const sinceMs = clock.monotonicMs();
    const judged = validation.check(message.lines, settings.holdMaxMs - received.heldMs - request.lateMs);
    if (!(judged instanceof Promise)) {
      this.#judged(request, message, received, judged, decoding);
      return;
    }
    // Other messages are decoded meanwhile.
    request.span = this.#spans?.start(request.req, request.startMs, message.lines) ?? null;
    judged
      .then((found) => {
        request.lateMs += clock.monotonicMs() - sinceMs;
        if (!request.req.socket.destroyed) this.#judged(request, message, received, found, decoding);
        else {
          received.release();
          this.#ends.gone(request, message.lines.length);
        }
      })
      .catch((error: unknown) => this.#fail(request, received, error));
  }

  #judged(request: EventRequest, message: Decoded, received: ReceivedBody, judged: Judged, decoding: Decoding): void {
    const { lines } = message;
    switch (judged.kind) {
      case 'conform':
        this.#storeOrKeep(request, message, received);
        break;
      case 'away':
        this.#refuseDecoded(request, received, schemasAway(judged.why), lines.length);
        break;
      case 'invalid': {
        const refusal = invalidData(judged.events, lines.length);
        if (!this.#quarantine.isOn) this.#refuseDecoded(request, received, refusal, lines.length);
        else {
          const invalid = judged.events.map(({ index, message: why }) => ({
            line: index,
            reason: 'schema' as const,
            why,
          }));
          const { rawHeaders } = request.req;
          const apart = withoutInvalid(rawHeaders, received.body, decoding, message, invalid, refusal);
          this.#storeOrKeep(request, apart, received);
        }
      }
    }
  }

  #storeOrKeep(request: EventRequest, message: Decoded, received: ReceivedBody): void {
    if (message.refusal === null) this.#store(request, message.lines, null, received);
    else this.#keep(request, message, message.refusal, received);
  }

  #refuseDecoded(request: EventRequest, { release }: ReceivedBody, refusal: Refusal, events: number): void {
    release();
    this.#ends.refuseEarly(request, refusal, events);
  }

  #fail(request: EventRequest, { release }: ReceivedBody, error: unknown): void {
    release();
    this.#ends.fail(request, error);
  }

  /** What is refused here is charged too: it was read and decoded. */
  #judge(producer: Producer | null, message: Decoded, receivedBytes: number): Refusal | null {
    const { lines, refused } = message;
    const whole = refused.length === 0 ? message.refusal : null;
    if (producer === null) return whole;
    const exceeded = this.#options.limiter?.charge(producer, lines.length + refused.length, receivedBytes) ?? null;
    if (exceeded !== null || whole !== null) return exceeded ?? whole;
    const what = producer.only?.problem(lines) ?? null;
    return what === null ? null : notAllowed(producer.name, what);
  }

  /** Stores the good events of a message together with the evidence of the others. */
  #keep(request: EventRequest, { lines, refused }: Decoded, refusal: Refusal, received: ReceivedBody): void {
    const { clock, producers = null } = this.#options;
    const facts = refusedRequest(request.req, request.producer?.name ?? null, clock.wallMs(), producers?.secretHeaders);
    const evidence = this.#quarantine.keep(facts, refused);
    if (evidence !== null) this.#store(request, lines, evidence, received);
    else this.#refuseDecoded(request, received, refusal, lines.length + refused.length);
  }

  #store(
    request: EventRequest,
    lines: readonly string[],
    evidence: KeptEvidence | null,
    { body, heldMs, release }: ReceivedBody,
  ): void {
    const { appender, router = null, metrics, lateness, clock, closing } = this.#options;
    const { req, res, startMs, lateMs, producer, opaqueEvents } = request;
    if (request.span === undefined) request.span = this.#spans?.start(req, startMs, lines) ?? null;
    const { span } = request;
    const accept = (nowMs: number): void => {
      metrics.accepted(lines.length, nowMs - startMs);
      if (producer !== null) metrics.producers.accepted(producer.name, lines.length);
      metrics.opaque(opaqueEvents);
      for (const reason of routed?.aside ?? []) metrics.aside(reason);
      for (const route of routed?.dropped ?? []) metrics.dropped(route);
      if (evidence !== null) this.#quarantine.stored(evidence);
      metrics.answered(202);
      span?.end(202, undefined, producer?.name);
      this.#ends.leave(request);
      sendEmpty(res, 202, closing() ? NO_BODY_AND_CLOSE : NO_BODY);
    };
    const routed = router?.route(lines, clock.wallMs()) ?? null;
    const parts = withEvidence(routed?.parts ?? plainParts(lines), evidence);
    if (parts.length === 0) {
      // An empty batch: nothing to store.
      release();
      accept(clock.monotonicMs());
      return;
    }
    const settled = (outcome: AppendOutcome): void => {
      release();
      // The only 2xx for events: they are now as durable as the configuration asks for (invariant 4).
      if (outcome === 'stored') {
        const nowMs = clock.monotonicMs();
        // A large body says nothing about how long the others take.
        if (body.length <= LARGE_BODY_BYTES) lateness.stored(nowMs - submittedMs);
        accept(nowMs);
      } else if (outcome === 'gone') {
        this.#ends.gone(request, lines.length);
        req.socket.destroy();
      } else this.#ends.refuseSubmitted(request, refusalOfOutcome(outcome), lines.length);
    };
    const submittedMs = clock.monotonicMs();
    // A client that ended its side may still read the answer. While ingest is late, it rather is one that gave up.
    const { socket } = req;
    const isGone = (): boolean => socket.destroyed || (socket.readableEnded && lateness.isLate);
    appender.submit(parts, settled, heldMs + lateMs, isGone, span?.identity); // next: ../commit/appender.ts, which calls `settled` once
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeMessage, type Decoding } from '@sink/cloudevents';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Clock, Logger } from '@sink/runtime';
import type { Tracing } from '@sink/tracing';
import { Hono, type MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { Admission } from './admission.ts';
import {
  NO_BODY,
  NO_BODY_AND_CLOSE,
  NO_ROOM,
  OVERLOADED,
  refusalOfDecoding,
  refusalOfOutcome,
  sendEmpty,
  sendRefusal,
  TOO_SLOW,
} from './answers.ts';
import type { Refusal } from './answers.ts';
import { type AppendOutcome, type EventAppender, plainPart } from '../commit/appender.ts';
import type { JointReadiness } from './joint-readiness.ts';
import type { Lateness } from './lateness.ts';
import type { IngestMetrics } from '../metrics.ts';
import { receiveBody } from './receive.ts';
import type { ReceivedBody } from './reception.ts';
import { PACE_OF_LARGE_BODIES, RefusalPace } from './refusal-pace.ts';
import { RequestSpans } from './request-span.ts';

export interface RouteSettings extends Pick<Decoding, 'attributeEncoding' | 'malformedJson' | 'lenientContentType'> {
  readonly maxBodyBytes: number;
  /** How long a request may wait in all: one that is read too late for that is refused at once. In milliseconds. */
  readonly holdMaxMs: number;
}

export interface RoutesOptions {
  appender: EventAppender;
  admission: Admission;
  /** Read at each request. */
  settings: RouteSettings;
  metrics: IngestMetrics;
  readiness: JointReadiness;
  /** Runs before every route, in this order, and before the body of a request is read. */
  middleware: readonly IngestMiddleware[];
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

interface IngestEnv {
  Bindings: HttpBindings;
}

export type IngestApp = Hono<IngestEnv>;
export type IngestMiddleware = MiddlewareHandler<IngestEnv>;

const ALLOW = 'POST, PUT, OPTIONS';
const LARGE_BODY_BYTES = 1024 * 1024;
/** Smaller bodies that find no room are always refused at once. */
const SMALL_BODY_BYTES = 64 * 1024;
const FOR_LACK_OF_ROOM: ReadonlySet<Refusal> = new Set([NO_ROOM, OVERLOADED, TOO_SLOW]);

/** All routes of ingest's main port: events by POST or PUT on any path, the webhook handshake by OPTIONS, health by GET. */
export function createRoutes(options: RoutesOptions): IngestApp {
  const { metrics, readiness, log } = options;
  const events = new EventRoute(options);
  const app: IngestApp = new Hono();

  for (const middleware of options.middleware) app.use(middleware);

  app.on(['POST', 'PUT'], '*', ({ env }) => events.take(env.incoming, env.outgoing));

  app.options('*', (c) => {
    metrics.answered(200);
    return c.body(null, 200, { ...NO_BODY, ...handshake(c.req.header('WebHook-Request-Origin')) });
  });

  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    const answer = await readiness.answer(c.req.query('all') !== undefined);
    return c.json(answer, answer.ready ? 200 : 503);
  });

  // POST and PUT are allowed on every path, so a request without a route has another method.
  app.notFound(({ env, req }) =>
    events.refuse(env.incoming, env.outgoing, {
      status: 405,
      reason: 'method',
      message: `events are taken by POST or PUT, not ${req.method}`,
      headers: { Allow: ALLOW },
    }),
  );

  app.onError((error, { env }) => {
    // The answer of a middleware, such as the 401 of Hono's bearerAuth.
    if (error instanceof HTTPException) return error.getResponse();
    log.error({ err: error }, 'handling a request failed');
    return events.refuse(env.incoming, env.outgoing, {
      status: 500,
      reason: 'internal',
      message: 'the request could not be handled',
    });
  });
  return app;
}

/**
 * Takes the events of a POST or PUT. It reads from Node's request and answers on Node's response, without a promise for each
 * request: with one event a request, the Fetch objects would cost as much as all the rest.
 */
class EventRoute {
  readonly #options: RoutesOptions;
  readonly #decoding: Decoding;
  readonly #pace: RefusalPace;
  /** Null: nothing is traced. */
  readonly #spans: RequestSpans | null;
  /** Of the message that was decoded last: events whose data is kept as bytes. */
  #opaqueEvents = 0;

  constructor(options: RoutesOptions) {
    this.#options = options;
    this.#pace = new RefusalPace(PACE_OF_LARGE_BODIES, options.closing);
    const { settings } = options;
    const spans = options.tracing ? new RequestSpans(options.tracing) : null;
    this.#spans = spans;
    this.#decoding = {
      get attributeEncoding() {
        return settings.attributeEncoding;
      },
      get malformedJson() {
        return settings.malformedJson;
      },
      get lenientContentType() {
        return settings.lenientContentType;
      },
      opaque: () => void (this.#opaqueEvents += 1),
      traceparent: spans?.found,
    };
  }

  take(req: IncomingMessage, res: ServerResponse): Response {
    const { admission, settings, metrics, lateness, clock, waitedMs } = this.#options;
    const startMs = clock.monotonicMs();
    const lateMs = waitedMs(req, startMs);
    // Its client may not wait for the answer any more when its events are stored.
    if (lateMs + lateness.appendMs > settings.holdMaxMs) return this.#refuseEarly(req, res, OVERLOADED, startMs);
    // next: receive.ts, which calls back once with the body
    receiveBody(req, res, admission, { maxBodyBytes: settings.maxBodyBytes, room: null }, (received) => {
      switch (received.kind) {
        case 'gone':
          metrics.refused('disconnected');
          this.#spans?.ended(req, startMs, null, 'disconnected');
          break;
        case 'refused':
          this.#refuseEarly(req, res, received.refusal, startMs);
          break;
        case 'body':
          this.#store(req, res, received, startMs, lateMs);
          break;
      }
    });
    return RESPONSE_ALREADY_SENT;
  }

  refuse(req: IncomingMessage, res: ServerResponse, refusal: Refusal): Response {
    const { metrics, closing } = this.#options;
    metrics.refused(refusal.reason);
    metrics.answered(refusal.status);
    sendRefusal(req, res, refusal, closing());
    return RESPONSE_ALREADY_SENT;
  }

  /** Refuses a request whose message was not decoded. */
  #refuseEarly(req: IncomingMessage, res: ServerResponse, refusal: Refusal, startMs: number): Response {
    this.#spans?.ended(req, startMs, refusal.status, refusal.reason);
    if (!FOR_LACK_OF_ROOM.has(refusal) || !mayBeLarge(req)) return this.refuse(req, res, refusal);
    req.pause();
    this.#pace.inTurn(() => this.refuse(req, res, refusal));
    return RESPONSE_ALREADY_SENT;
  }

  #store(
    req: IncomingMessage,
    res: ServerResponse,
    { body, heldMs, release }: ReceivedBody,
    startMs: number,
    lateMs: number,
  ): void {
    const { appender, metrics, lateness, clock, log, closing } = this.#options;
    let lines: readonly string[];
    this.#opaqueEvents = 0;
    this.#spans?.decoding();
    try {
      lines = decodeMessage(req.rawHeaders, body, this.#decoding);
    } catch (error) {
      release();
      const refusal = refusalOfDecoding(error);
      if (refusal.reason === 'internal') log.error({ err: error }, 'decoding a message failed');
      this.#refuseEarly(req, res, refusal, startMs);
      return;
    }
    const span = this.#spans?.start(req, startMs, lines) ?? null;
    const opaqueEvents = this.#opaqueEvents;
    const accept = (nowMs: number): void => {
      metrics.accepted(lines.length, nowMs - startMs);
      metrics.opaque(opaqueEvents);
      metrics.answered(202);
      span?.end(202);
      sendEmpty(res, 202, closing() ? NO_BODY_AND_CLOSE : NO_BODY);
    };
    if (lines.length === 0) {
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
        metrics.refused('disconnected');
        span?.end(null, 'disconnected');
        req.socket.destroy();
      } else {
        const refusal = refusalOfOutcome(outcome);
        span?.end(refusal.status, refusal.reason);
        this.refuse(req, res, refusal);
      }
    };
    const submittedMs = clock.monotonicMs();
    // A client that ended its side may still read the answer. While ingest is late, it rather is one that gave up.
    const { socket } = req;
    const isGone = (): boolean => socket.destroyed || (socket.readableEnded && lateness.isLate);
    appender.submit([plainPart(lines)], settled, heldMs + lateMs, isGone, span?.identity); // next: ../commit/appender.ts, which calls `settled` once
  }
}

function mayBeLarge({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > SMALL_BODY_BYTES;
}

/**
 * The validation handshake of the CloudEvents webhook specification, section 4: any origin may send, at any rate.
 * A request without an origin gets the allowed methods.
 */
function handshake(origin: string | undefined): Record<string, string> {
  if (origin === undefined || origin === '') return { Allow: ALLOW };
  return { Allow: 'POST', 'WebHook-Allowed-Origin': origin, 'WebHook-Allowed-Rate': '*' };
}

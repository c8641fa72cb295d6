import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeMessage } from '@sink/cloudevents';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Clock, Logger } from '@sink/runtime';
import { Hono } from 'hono';
import type { Admission } from './admission.ts';
import { NO_BODY, NO_BODY_AND_CLOSE, refusalOfDecoding, refusalOfOutcome, sendEmpty, sendRefusal } from './answers.ts';
import type { Refusal } from './answers.ts';
import type { AppendOutcome, EventAppender } from '../commit/appender.ts';
import type { JointReadiness } from './joint-readiness.ts';
import type { IngestMetrics } from '../metrics.ts';
import { receiveBody } from './receive.ts';

export interface RoutesOptions {
  appender: EventAppender;
  admission: Admission;
  maxBodyBytes: number;
  metrics: IngestMetrics;
  readiness: JointReadiness;
  clock: Clock;
  log: Logger;
  /** True while the server stops: each answer then ends its connection. */
  closing: () => boolean;
}

export type IngestApp = Hono<{ Bindings: HttpBindings }>;

const ALLOW = 'POST, OPTIONS';

/**
 * What ingest answers (design section 5): events by POST on any path, the webhook handshake by OPTIONS, health by GET.
 *
 * Events are read from the raw request and answered on the raw response, without a promise for each: at one event a
 * request, the Fetch objects around them would cost as much as all the rest.
 */
export function createRoutes(options: RoutesOptions): IngestApp {
  const { closing, log, metrics, readiness } = options;
  const app: IngestApp = new Hono();

  const refuse = (req: IncomingMessage, res: ServerResponse, refusal: Refusal): void => {
    metrics.refused(refusal.reason);
    metrics.answered(refusal.status);
    sendRefusal(req, res, refusal, closing());
  };

  app.post('*', ({ env: { incoming, outgoing } }) => {
    takeEvents(incoming, outgoing, options, refuse);
    return RESPONSE_ALREADY_SENT;
  });

  app.options('*', ({ env: { incoming, outgoing } }) => {
    metrics.answered(200);
    sendEmpty(outgoing, 200, { ...NO_BODY, ...handshake(incoming) });
    return RESPONSE_ALREADY_SENT;
  });

  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    const problems = await readiness.problems();
    const ready = Object.keys(problems).length === 0;
    return c.json({ ready, problems }, ready ? 200 : 503);
  });

  // Every path takes POST, so whatever matches no route came with another method.
  app.notFound(({ env: { incoming, outgoing } }) => {
    refuse(incoming, outgoing, {
      status: 405,
      reason: 'method',
      message: `events are taken by POST, not ${incoming.method ?? ''}`,
      headers: { Allow: ALLOW },
    });
    return RESPONSE_ALREADY_SENT;
  });

  app.onError((error, { env: { incoming, outgoing } }) => {
    log.error({ err: error }, 'handling a request failed');
    refuse(incoming, outgoing, { status: 500, reason: 'internal', message: 'the request could not be handled' });
    return RESPONSE_ALREADY_SENT;
  });
  return app;
}

function takeEvents(
  req: IncomingMessage,
  res: ServerResponse,
  { appender, admission, maxBodyBytes, metrics, clock, log, closing }: RoutesOptions,
  refuse: (req: IncomingMessage, res: ServerResponse, refusal: Refusal) => void,
): void {
  const startMs = clock.monotonicMs();
  receiveBody(req, res, admission, maxBodyBytes, (received) => {
    if (received.kind === 'gone') {
      metrics.refused('disconnected');
      return;
    }
    if (received.kind === 'refused') {
      refuse(req, res, received.refusal);
      return;
    }
    const { release, heldMs } = received;
    let lines: readonly string[];
    try {
      lines = decodeMessage(req.rawHeaders, received.body);
    } catch (error) {
      release();
      const refusal = refusalOfDecoding(error);
      if (refusal.reason === 'internal') log.error({ err: error }, 'decoding a message failed');
      refuse(req, res, refusal);
      return;
    }
    const accept = (): void => {
      metrics.accepted(lines.length, clock.monotonicMs() - startMs);
      metrics.answered(202);
      sendEmpty(res, 202, closing() ? NO_BODY_AND_CLOSE : NO_BODY);
    };
    if (lines.length === 0) {
      // An empty batch: nothing to store.
      release();
      accept();
      return;
    }
    const settled = (outcome: AppendOutcome): void => {
      release();
      // A 2xx goes out only here: the events are as durable now as the configuration asks for (invariant 4).
      if (outcome === 'stored') accept();
      else refuse(req, res, refusalOfOutcome(outcome));
    };
    appender.submit(lines, settled, heldMs);
  });
}

/**
 * The validation handshake of the CloudEvents webhook specification, section 4: any origin may send, at any rate.
 * A request that asks for none of this gets the allowed methods.
 */
function handshake(req: IncomingMessage): Record<string, string> {
  const { 'webhook-request-origin': origin } = req.headers;
  if (typeof origin !== 'string' || origin === '') return { Allow: ALLOW };
  return { Allow: 'POST', 'WebHook-Allowed-Origin': origin, 'WebHook-Allowed-Rate': '*' };
}

import { createServer, STATUS_CODES } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SinkConfig } from '@sink/config';
import { listen } from '@sink/runtime';
import type { Clock, Logger, Readiness, Registry } from '@sink/runtime';
import { Admission } from './admission.ts';
import { rawRefusal, unavailable } from './answers.ts';
import type { Refusal } from './answers.ts';
import type { EventAppender } from '../commit/appender.ts';
import { JointReadiness } from './joint-readiness.ts';
import { IngestMetrics } from '../metrics.ts';
import { nodeListener } from './node-adapter.ts';
import { createRoutes, type IngestMiddleware } from './routes.ts';

export type IngestServerConfig = Pick<
  SinkConfig,
  'host' | 'port' | 'maxBodyBytes' | 'maxHeaderBytes' | 'maxInFlightBytes' | 'holdMaxMs'
>;

export interface IngestServerOptions {
  config: IngestServerConfig;
  appender: EventAppender;
  /** Events so far that were acknowledged because they had been stored before. */
  duplicateEvents: () => number;
  readiness: Readiness;
  /** `/readyz` addresses of services that this port answers for too. */
  alsoReady: readonly string[];
  /** Runs before every route: authentication, limits. */
  middleware: readonly IngestMiddleware[];
  registry: Registry;
  /** Other workers listen on the same port. */
  sharedPort?: boolean;
  clock: Clock;
  log: Logger;
  timeouts?: Partial<IngestTimeouts>;
}

/** In milliseconds. */
export interface IngestTimeouts {
  /** From the first byte of a request to the end of its header fields. */
  headersTimeoutMs: number;
  /** From the first byte of a request to its last. */
  requestTimeoutMs: number;
  /** How long an idle connection is kept. Go's clients keep theirs for 90 s: who closes later loses no request. */
  keepAliveTimeoutMs: number;
  /** How often Node looks for connections that are too slow. */
  checkIntervalMs: number;
  /** How long stopping waits for requests in flight. */
  drainMaxMs: number;
}

const TIMEOUTS: IngestTimeouts = {
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 100_000,
  checkIntervalMs: 2000,
  drainMaxMs: 12_000,
};

/**
 * Connections that wait to be accepted. Vanus opens up to 10,000 at once; beyond Node's default of 511 the system drops
 * them, and a client comes back after one, three and seven seconds: later than it waits for an answer.
 */
const ACCEPT_BACKLOG = 16_384;

/** How long a client that sent no HTTP may take to read its answer, while what it still sends is dropped. */
const LINGER_MAX_MS = 1000;

export interface IngestServer {
  port: number;
  metrics: IngestMetrics;
  /**
   * Stops accepting, answers what is in flight (each answer ends its connection), then closes the rest. Resolves when
   * no connection is left, at the latest after `drainMaxMs`.
   */
  close(): Promise<void>;
}

/** Listens for events. @throws when the address cannot be listened on */
export async function startIngestServer(options: IngestServerOptions): Promise<IngestServer> {
  const { appender, clock, config, log, registry } = options;
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const admission = new Admission({
    limitBytes: config.maxInFlightBytes,
    holdMaxMs: config.holdMaxMs,
    nowMs: () => clock.monotonicMs(),
  });
  const metrics = new IngestMetrics(registry, {
    inFlightBytes: () => admission.usedBytes,
    waitingRequests: () => admission.waitingRequests,
    duplicateEvents: options.duplicateEvents,
  });
  let stopping = false;
  const closing = (): boolean => stopping;
  const app = createRoutes({
    appender,
    admission,
    maxBodyBytes: config.maxBodyBytes,
    metrics,
    readiness: new JointReadiness(options.readiness, options.alsoReady, clock),
    middleware: options.middleware,
    clock,
    log,
    closing,
  });
  const listener = nodeListener(app, { answered: (status) => metrics.answered(status), closing });
  const responses = new WeakMap<Duplex, ServerResponse>();
  const onRequest: RequestListener = (incoming, outgoing) => {
    responses.set(incoming.socket, outgoing);
    listener(incoming, outgoing); // next: node-adapter.ts, which hands it to the routes
  };

  const server = createServer(
    {
      maxHeaderSize: config.maxHeaderBytes,
      headersTimeout: timeouts.headersTimeoutMs,
      requestTimeout: timeouts.requestTimeoutMs,
      keepAliveTimeout: timeouts.keepAliveTimeoutMs,
      connectionsCheckingInterval: timeouts.checkIntervalMs,
      // A body is not read before there is room for it; this is what Node may read of it on its own.
      highWaterMark: 16_384,
    },
    onRequest,
  );
  // Node's default drops header fields beyond the 2,000th without a word; their bytes are limited above.
  server.maxHeadersCount = 0;
  // A client that asks first is told to go on when there is room for the body, not before.
  server.on('checkContinue', onRequest);
  refuseBrokenClients(server, responses, config.maxHeaderBytes, metrics);

  await listen(server, config.port, config.host, { backlog: ACCEPT_BACKLOG, reusePort: options.sharedPort ?? false });
  return {
    port: (server.address() as AddressInfo).port,
    metrics,
    close: async () => {
      stopping = true;
      await closeWithin(server, timeouts.drainMaxMs);
    },
  };
}

function closeWithin(server: Server, drainMaxMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), drainMaxMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Answers what never became a request, or stopped being one: header fields too large, no HTTP, too slow.
 *
 * @param responses the last response of each connection
 */
function refuseBrokenClients(
  server: Server,
  responses: WeakMap<Duplex, ServerResponse>,
  maxHeaderBytes: number,
  metrics: IngestMetrics,
): void {
  const refused = new WeakSet<Duplex>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // What the client goes on sending fails to parse again.
    if (refused.has(socket)) return;
    refused.add(socket);
    const last = responses.get(socket) ?? null;
    const pending = last?.writableFinished === true ? null : last;
    const refusal = refusalOfClientError(error, maxHeaderBytes, pending !== null);
    if (refusal === null || !socket.writable || pending?.headersSent === true) {
      socket.destroy();
      return;
    }
    if (pending?.req.complete === true) {
      // What is broken comes after a sound request: that one still gets its answer.
      pending.once('finish', () => socket.destroy());
      return;
    }
    metrics.refused(refusal.reason);
    metrics.answered(refusal.status);
    socket.end(rawRefusal(refusal, STATUS_CODES[refusal.status] ?? ''));
    const timer = setTimeout(() => socket.destroy(), LINGER_MAX_MS);
    socket.once('close', () => clearTimeout(timer));
  });
}

/** Null: nothing to say. A connection that was opened for later, or broke, is just closed. */
function refusalOfClientError(
  error: NodeJS.ErrnoException,
  maxHeaderBytes: number,
  inRequest: boolean,
): Refusal | null {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: 431,
        reason: 'header_too_large',
        message: `the header fields are larger than ${maxHeaderBytes} bytes`,
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      // 408 would be a 4xx, which brokers take for the event's fault.
      return inRequest ? unavailable('too_slow', 'the request did not arrive in time') : null;
    case 'ECONNRESET':
    case 'EPIPE':
      return null;
    default:
      return { status: 400, reason: 'malformed_http', message: `malformed HTTP: ${error.message}` };
  }
}

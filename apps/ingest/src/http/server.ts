import { createServer, STATUS_CODES } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { listen } from '@sink/runtime';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import type { Admission } from './admission.ts';
import { rawRefusal, unavailable } from './answers.ts';
import type { Refusal } from './answers.ts';
import type { EventAppender } from '../commit/appender.ts';
import { JointReadiness } from './joint-readiness.ts';
import type { IngestMetrics } from '../metrics.ts';
import { nodeListener } from './node-adapter.ts';
import { createRoutes, type IngestMiddleware } from './routes.ts';

/** Times in milliseconds. */
export interface HttpSettings {
  readonly host: string;
  readonly port: number;
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  /** From the first byte of a request to the end of its header fields. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs: number;
  /** How often Node looks for connections that are too slow. */
  readonly checkIntervalMs: number;
  /** How long stopping waits for requests in flight. */
  readonly drainMaxMs: number;
}

export interface IngestServerParts {
  readonly appender: EventAppender;
  readonly admission: Admission;
  readonly metrics: IngestMetrics;
  readonly readiness: Readiness;
  /** `/readyz` addresses of services that this port answers for too. */
  readonly alsoReady: readonly string[];
  /** Runs before every route: authentication, limits. */
  readonly middleware: readonly IngestMiddleware[];
  /** Other workers listen on the same port. */
  readonly sharedPort: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Connections that may wait to be accepted. Vanus opens up to 10,000 at once. Beyond Node's default of 511 the system drops
 * them, and a client tries again after one, three and seven seconds: longer than it waits for an answer.
 */
const ACCEPT_BACKLOG = 16_384;

/** How long a client that sent no HTTP may take to read its answer; what it still sends is dropped. */
const LINGER_MAX_MS = 1000;

export interface IngestServer {
  port: number;
  /**
   * Stops accepting, answers requests in flight (each answer ends its connection), then closes the other connections.
   * Resolves when no connection is left, at the latest after `drainMaxMs`.
   */
  close(): Promise<void>;
}

/** Listens for events. @throws when the address cannot be listened on */
export async function startIngestServer(parts: IngestServerParts, settings: HttpSettings): Promise<IngestServer> {
  const { metrics } = parts;
  let stopping = false;
  const closing = (): boolean => stopping;
  const app = createRoutes({
    ...parts,
    maxBodyBytes: settings.maxBodyBytes,
    readiness: new JointReadiness(parts.readiness, parts.alsoReady, parts.clock),
    closing,
  });
  const listener = nodeListener(app, { answered: (status) => metrics.answered(status), closing });
  const responses = new WeakMap<Duplex, ServerResponse>();
  const onRequest: RequestListener = (incoming, outgoing) => {
    responses.set(incoming.socket, outgoing);
    listener(incoming, outgoing); // next: node-adapter.ts, which gives it to the routes
  };

  const server = createServer(
    {
      maxHeaderSize: settings.maxHeaderBytes,
      headersTimeout: settings.headersTimeoutMs,
      requestTimeout: settings.requestTimeoutMs,
      keepAliveTimeout: settings.keepAliveTimeoutMs,
      connectionsCheckingInterval: settings.checkIntervalMs,
      // Node may read this much of a body by itself, before there is room for it.
      highWaterMark: 16_384,
    },
    onRequest,
  );
  // Node's default silently drops header fields beyond the 2,000th; their bytes are limited above.
  server.maxHeadersCount = 0;
  // A client that asks first gets its "100 Continue" from receive.ts, when there is room for the body.
  server.on('checkContinue', onRequest);
  refuseBrokenClients(server, responses, settings.maxHeaderBytes, metrics);

  await listen(server, settings.port, settings.host, { backlog: ACCEPT_BACKLOG, reusePort: parts.sharedPort });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      stopping = true;
      await closeWithin(server, settings.drainMaxMs);
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
    // Further bytes of the same client fail to parse again.
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
      // The broken bytes follow a sound request, which still gets its answer.
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

/** Null: no answer. A connection that was opened for later, or broke, is just closed. */
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
      // Brokers take a 4xx such as 408 for the fault of the event.
      return inRequest ? unavailable('too_slow', 'the request did not arrive in time') : null;
    case 'ECONNRESET':
    case 'EPIPE':
      return null;
    default:
      return { status: 400, reason: 'malformed_http', message: `malformed HTTP: ${error.message}` };
  }
}

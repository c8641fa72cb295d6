import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import type { Tracing } from '@sink/tracing';
import type { Admission } from './admission.ts';
import { refuseBrokenClients } from './broken-clients.ts';
import { HIGH_WATER_MARK, openAcceptors, type Acceptors } from './acceptors.ts';
import type { EventAppender } from '../commit/appender.ts';
import { type AskedServices, JointReadiness } from './joint-readiness.ts';
import type { ProducerLimiter } from './event-request.ts';
import type { BodyRooms } from '../limits/body-rooms.ts';
import type { Lateness } from './lateness.ts';
import type { IngestMetrics } from '../metrics.ts';
import { nodeListener } from './node-adapter.ts';
import type { Producers } from '../producers/producers.ts';
import type { Routing } from '@sink/routing';
import type { Validation } from '../validation/validation.ts';
import { createRoutes, type IngestMiddleware, type RouteSettings } from './routes.ts';
import { createTlsServer, type PortTls, rawSocketOf } from './tls/tls-server.ts';

/** Times in milliseconds. */
export interface HttpSettings extends RouteSettings {
  readonly host: string;
  readonly port: number;
  readonly maxHeaderBytes: number;
  /** From the first byte of a request to the end of its header fields. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs: number;
  /** From a connection to the end of its TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** How often Node looks for connections that are too slow. */
  readonly checkIntervalMs: number;
  /** How long stopping goes on accepting: until load balancers have noticed that this instance is not ready. */
  readonly stopDelayMs: number;
  /** How long stopping waits for requests in flight after that. */
  readonly drainMaxMs: number;
  /** How many files this process may have open, connections included; null: not known, or no limit. */
  readonly openFilesMax: number | null;
}

export interface IngestServerParts {
  readonly appender: EventAppender;
  readonly admission: Admission;
  readonly metrics: IngestMetrics;
  readonly lateness: Lateness;
  readonly readiness: Readiness;
  /** Services whose readiness this port includes in its own. */
  readonly asked: AskedServices;
  /** Runs before every route: authentication, limits. */
  readonly middleware: readonly IngestMiddleware[];
  /** Null or absent: whoever reaches the port may send. */
  readonly producers?: Producers | null;
  /** Null or absent: events are not validated. */
  readonly validation?: Validation | null;
  /** Null or absent: each event goes to the slot of its acceptance. */
  readonly router?: Routing | null;
  /** Null or absent: producers have no limits. */
  readonly limiter?: ProducerLimiter | null;
  /** Null or absent: nothing bounds what one producer holds of `max_in_flight_bytes`. */
  readonly bodyRooms?: BodyRooms | null;
  /** Null or absent: nothing is traced. */
  readonly tracing?: Tracing | null;
  /** Null or absent: the port takes plain HTTP. */
  readonly tls?: PortTls | null;
  /** Other workers listen on the same port. */
  readonly sharedPort: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A smaller lag is ordinary: it takes nothing off the hold of requests. */
const LAG_MS_MIN = 250;

interface Connection {
  readonly acceptedAtMs: number;
  /** How long it waited to be accepted. */
  readonly queuedMs: number;
  /** Its age when its first request was read; null: none was. */
  readAtAgeMs: number | null;
  /** Whether its last request is its first. */
  isFirst: boolean;
  lastResponse: ServerResponse | null;
}

export interface IngestServer {
  port: number;
  /** To be called when settings have changed: not all of them are read at each use. */
  settingsChanged(): void;
  /** To be called when another certificate is in use. */
  certificateReplaced(): void;
  /**
   * From now on each answer ends its connection. After `stopDelayMs` it stops accepting, answers requests in flight, and
   * closes idle connections. Resolves when no connection is left, at the latest after `drainMaxMs` more.
   */
  close(): Promise<void>;
}

/**
 * Listens for events. The settings are read at each use; a connection keeps the idle time of its last answer.
 * @throws when the address cannot be listened on
 */
export async function startIngestServer(parts: IngestServerParts, settings: HttpSettings): Promise<IngestServer> {
  const { metrics, lateness, clock } = parts;
  const connections = new WeakMap<Duplex, Connection>();
  const waitedMs = ({ socket }: IncomingMessage, nowMs: number): number => {
    const loopLagMs = lateness.loopLagMs(nowMs);
    if (Math.max(loopLagMs, lateness.acceptLagMs(nowMs)) < LAG_MS_MIN) return 0;
    const connection = connections.get(socket);
    if (connection?.isFirst !== true) return loopLagMs;
    // A connection that was kept, or opened for later, has not waited with this request in the queue of the system.
    const sinceAcceptedMs = nowMs - connection.acceptedAtMs;
    const wasIdle = sinceAcceptedMs > loopLagMs + LAG_MS_MIN;
    return wasIdle ? loopLagMs : Math.max(loopLagMs, connection.queuedMs + sinceAcceptedMs);
  };
  let stopping = false;
  const closing = (): boolean => stopping;
  const app = createRoutes({
    ...parts,
    settings,
    readiness: new JointReadiness(parts.readiness, parts.asked, parts.clock),
    waitedMs,
    closing,
  });
  const listener = nodeListener(app, { answered: (status) => metrics.answered(status), closing });
  const onRequest: RequestListener = (incoming, outgoing) => {
    const connection = connections.get(incoming.socket);
    if (connection !== undefined) {
      connection.lastResponse = outgoing;
      if (connection.readAtAgeMs === null) {
        connection.readAtAgeMs = connection.queuedMs + clock.monotonicMs() - connection.acceptedAtMs;
        connection.isFirst = true;
        // The looks at the own port do not count, nor those of load balancers.
        if (incoming.url !== '/healthz') lateness.firstRead(connection.readAtAgeMs);
      } else connection.isFirst = false;
    }
    listener(incoming, outgoing); // next: node-adapter.ts, which gives it to the routes
  };

  const options = {
    maxHeaderSize: settings.maxHeaderBytes,
    headersTimeout: settings.headersTimeoutMs,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: settings.keepAliveTimeoutMs,
    connectionsCheckingInterval: settings.checkIntervalMs,
    // Two Host headers become one that is no host: 400 (RFC 9112, section 3.2). Node would drop the second one.
    joinDuplicateHeaders: true,
    highWaterMark: HIGH_WATER_MARK,
  };
  const tls = parts.tls ? createTlsServer(options, onRequest, parts.tls, settings, clock) : null;
  const server = tls?.server ?? createServer(options, onRequest);
  // Node's default silently drops header fields beyond the 2,000th; their bytes are limited above.
  server.maxHeadersCount = 0;
  // A client that ends its side after the request still reads its answer. Not in Node's documentation, nor in its types.
  Object.assign(server, { httpAllowHalfOpen: true });
  // A client that asks first gets its "100 Continue" from receive.ts, when there is room for the body.
  server.on('checkContinue', onRequest);
  refuseBrokenClients(
    server,
    (socket) => connections.get(socket)?.lastResponse ?? null,
    settings.maxHeaderBytes,
    metrics,
  );

  server.on('connection', (socket: Socket) => {
    const acceptedAtMs = clock.monotonicMs();
    const queuedMs = lateness.acceptLagMs(acceptedAtMs);
    connections.set(socket, { acceptedAtMs, queuedMs, readAtAgeMs: null, isFirst: true, lastResponse: null });
  });

  // Its handshake is a part of its age.
  tls?.server.on('secureConnection', (socket: TLSSocket) => {
    const raw = rawSocketOf(socket);
    const connection = raw === null ? undefined : connections.get(raw);
    if (connection !== undefined) connections.set(socket, connection);
  });

  const acceptors = await openAcceptors(server, settings, parts);
  const endMeasuring = lateness.start(ownHost(settings.host), acceptors.port, tls === null ? 'http' : 'https');
  const close = async (): Promise<void> => {
    stopping = true;
    if (settings.stopDelayMs > 0) await clock.sleep(settings.stopDelayMs);
    endMeasuring();
    const endRest = (): void => {
      server.closeAllConnections();
      tls?.endHandshakes();
    };
    await closeWithin(acceptors, settings.drainMaxMs, endRest);
  };
  let closed: Promise<void> | null = null;
  return {
    port: acceptors.port,
    settingsChanged: () => {
      server.keepAliveTimeout = settings.keepAliveTimeoutMs;
    },
    certificateReplaced: () => tls?.certificateReplaced(),
    close: () => (closed ??= close()),
  };
}

function closeWithin(acceptors: Acceptors, drainMaxMs: number, endRest: () => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(endRest, drainMaxMs);
    acceptors.close(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The address at which this process reaches its own port. */
function ownHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

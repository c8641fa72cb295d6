import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import type { Admission } from './admission.ts';
import { refuseBrokenClients } from './broken-clients.ts';
import { HIGH_WATER_MARK, openAcceptors, type Acceptors } from './acceptors.ts';
import type { EventAppender } from '../commit/appender.ts';
import { type AskedServices, JointReadiness } from './joint-readiness.ts';
import type { IngestMetrics } from '../metrics.ts';
import { nodeListener } from './node-adapter.ts';
import { createRoutes, type DecodingSettings, type IngestMiddleware } from './routes.ts';

/** Times in milliseconds. */
export interface HttpSettings extends DecodingSettings {
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
  /** How many files this process may have open, connections included; null: not known, or no limit. */
  readonly openFilesMax: number | null;
}

export interface IngestServerParts {
  readonly appender: EventAppender;
  readonly admission: Admission;
  readonly metrics: IngestMetrics;
  readonly readiness: Readiness;
  /** Services whose readiness this port includes in its own. */
  readonly asked: AskedServices;
  /** Runs before every route: authentication, limits. */
  readonly middleware: readonly IngestMiddleware[];
  /** Other workers listen on the same port. */
  readonly sharedPort: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

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
    decoding: settings,
    readiness: new JointReadiness(parts.readiness, parts.asked, parts.clock),
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
      // Two Host headers become one that is no host: 400 (RFC 9112, section 3.2). Node would drop the second one.
      joinDuplicateHeaders: true,
      highWaterMark: HIGH_WATER_MARK,
    },
    onRequest,
  );
  // Node's default silently drops header fields beyond the 2,000th; their bytes are limited above.
  server.maxHeadersCount = 0;
  // A client that ends its side after the request still reads its answer. Not in Node's documentation, nor in its types.
  Object.assign(server, { httpAllowHalfOpen: true });
  // A client that asks first gets its "100 Continue" from receive.ts, when there is room for the body.
  server.on('checkContinue', onRequest);
  refuseBrokenClients(server, responses, settings.maxHeaderBytes, metrics);

  const acceptors = await openAcceptors(server, settings, parts);
  return {
    port: acceptors.port,
    close: async () => {
      stopping = true;
      await closeWithin(server, acceptors, settings.drainMaxMs);
    },
  };
}

function closeWithin(server: Server, acceptors: Acceptors, drainMaxMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), drainMaxMs);
    acceptors.close(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

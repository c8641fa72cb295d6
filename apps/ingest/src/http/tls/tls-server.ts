import { createHash, hkdfSync } from 'node:crypto';
import type { RequestListener, ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '@sink/runtime';
import { rawRefusal, unavailable } from '../answers.ts';
import type { PortCertificate } from './port-certificate.ts';
import type { HandshakeFailure, TlsMetrics } from './tls-metrics.ts';

/** What the port is opened with if it takes HTTPS. */
export interface PortTls {
  readonly certificate: PortCertificate;
  /** Workers on one port have the same, so that each of them continues the sessions of the others. */
  readonly ticketSalt: string;
  readonly metrics: TlsMetrics;
}

export interface HandshakeTimes {
  /** From the connection to the end of its handshake. */
  readonly handshakeTimeoutMs: number;
  /** How often connections that are too slow are looked for. */
  readonly checkIntervalMs: number;
}

const TICKET_KEY_BYTES = 48;

/** A 4xx would be the end of the event at most brokers, and the event has no fault. */
const HTTPS_ONLY = rawRefusal(
  unavailable('internal', 'this port takes HTTPS only: post to https://, not http://'),
  'Service Unavailable',
);

/** An HTTPS server, and what is to be called once nothing is accepted any more. */
export interface TlsServer {
  readonly server: Server;
  /** Takes the certificate that is in use now, for connections to come. Those that are open keep theirs. */
  readonly certificateReplaced: () => void;
  /** Ends the connections that are not established yet. */
  readonly endHandshakes: () => void;
}

/** The HTTP server of the port with TLS. Clients are asked for a certificate, and may come without one. */
export function createTlsServer(
  options: ServerOptions,
  onRequest: RequestListener,
  { certificate, ticketSalt, metrics }: PortTls,
  times: HandshakeTimes,
  clock: Pick<Clock, 'monotonicMs'>,
): TlsServer {
  const context = (): object => {
    const { context: inUse } = certificate.inUse;
    return { ...inUse, ticketKeys: ticketKeys(inUse.key, ticketSalt, inUse.ca), sessionIdContext: 'sink-aws-s3' };
  };
  const server = createServer(
    {
      ...options,
      ...context(),
      requestCert: certificate.asksClients,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      // As node:http does by itself; for httpAllowHalfOpen.
      allowHalfOpen: true,
      noDelay: true,
    },
    onRequest,
  );
  // Node would hand these connections to 'clientError', which answers HTTP.
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    const failure = failureOf(error);
    if (failure !== null) metrics.handshakeFailed(failure);
    const raw = rawSocketOf(socket);
    if (failure === 'plain_http' && raw?.writable === true) raw.write(HTTPS_ONLY, () => socket.destroy());
    else socket.destroy();
  });
  const endHandshakes = endSlowHandshakes(server, times, clock, () => metrics.handshakeFailed('timeout'));
  return { server, endHandshakes, certificateReplaced: () => server.setSecureContext(context()) };
}

/** The connection below TLS. Not in Node's documentation; null: this version of Node does not show it. */
export function rawSocketOf(socket: TLSSocket): Socket | null {
  const raw: unknown = Reflect.get(socket, '_parent');
  return raw instanceof Socket ? raw : null;
}

/**
 * Ends each connection whose handshake takes longer. Node's own time limit begins anew with every byte.
 * @returns a function that ends all that are not established yet
 */
function endSlowHandshakes(
  server: Server,
  { handshakeTimeoutMs, checkIntervalMs }: HandshakeTimes,
  clock: Pick<Clock, 'monotonicMs'>,
  ended: () => void,
): () => void {
  /** The oldest first, with the times of their beginning. */
  const shaking = new Map<Socket, number>();
  server.on('connection', (raw: Socket) => {
    shaking.set(raw, clock.monotonicMs());
    raw.once('close', () => shaking.delete(raw));
  });
  server.on('secureConnection', (socket) => {
    const raw = rawSocketOf(socket);
    if (raw !== null) shaking.delete(raw);
  });
  const looking = setInterval(() => {
    const limitMs = clock.monotonicMs() - handshakeTimeoutMs;
    for (const [raw, sinceMs] of shaking) {
      if (sinceMs > limitMs) return;
      ended();
      raw.destroy();
    }
  }, checkIntervalMs).unref();
  server.once('close', () => clearInterval(looking));
  return () => {
    for (const raw of shaking.keys()) raw.destroy();
  };
}

/**
 * The keys of session tickets: a client that comes back skips the costly part of the handshake. They follow from the
 * private key, so that nothing secret is handed to workers, and end with it. Other authorities of clients are other keys,
 * because a ticket says that the certificate of its client was verified.
 */
function ticketKeys(privateKey: string, salt: string, clientCa: string | undefined): Buffer {
  const use = createHash('sha256')
    .update(`session tickets\n${clientCa ?? ''}`)
    .digest();
  return Buffer.from(hkdfSync('sha256', privateKey, salt, use, TICKET_KEY_BYTES));
}

/** Null: it just closed, as load balancers do that look at the port, or it sent what Lateness sends. */
function failureOf({ code = '' }: NodeJS.ErrnoException): HandshakeFailure | null {
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ERR_SSL_UNEXPECTED_MESSAGE':
      return null;
    case 'ERR_SSL_HTTP_REQUEST':
      return 'plain_http';
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
      return 'version';
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return 'timeout';
    default:
      return /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(EXPIRED|UNKNOWN|REVOKED))/.test(code)
        ? 'refused'
        : 'other';
  }
}

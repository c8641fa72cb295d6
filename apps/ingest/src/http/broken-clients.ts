import { STATUS_CODES } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { rawRefusal, unavailable, unknownTransferCoding } from './answers.ts';
import type { Refusal } from './answers.ts';
import type { IngestMetrics } from '../metrics.ts';

/** How long a client that sent no HTTP may take to read its answer; what it still sends is dropped. */
const LINGER_MAX_MS = 1000;

/**
 * Answers what never became a request, or stopped being one: header fields too large, no HTTP, too slow.
 *
 * @param lastResponse of a connection
 */
export function refuseBrokenClients(
  server: Server,
  lastResponse: (socket: Duplex) => ServerResponse | null,
  maxHeaderBytes: number,
  metrics: IngestMetrics,
): void {
  const refused = new WeakSet<Duplex>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Further bytes of the same client fail to parse again.
    if (refused.has(socket)) return;
    refused.add(socket);
    const last = lastResponse(socket);
    const pending = last?.writableFinished === true ? null : last;
    const refusal = refusalOfClientError(error, maxHeaderBytes, pending !== null);
    if (refusal === null || !socket.writable) {
      socket.destroy();
      return;
    }
    if (pending?.headersSent === true) {
      // It was refused by its header fields already: it gets time to read that.
      endSoon(socket);
      return;
    }
    if (pending?.req.complete === true) {
      // The broken bytes follow a sound request, which still gets its answer.
      pending.once('finish', () => socket.destroy());
      return;
    }
    metrics.refused(refusal.reason);
    metrics.answered(refusal.status);
    endSoon(socket, rawRefusal(refusal, STATUS_CODES[refusal.status] ?? ''));
  });
}

function endSoon(socket: Duplex, lastBytes?: string): void {
  socket.end(lastBytes);
  const timer = setTimeout(() => socket.destroy(), LINGER_MAX_MS);
  socket.once('close', () => clearTimeout(timer));
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
    case 'HPE_INVALID_TRANSFER_ENCODING':
      // Node's parser also says so of a request with both lengths, which is a request that was tampered with.
      if (!error.message.includes('Content-Length')) return unknownTransferCoding('');
      return malformed(error);
    default:
      return malformed(error);
  }
}

function malformed(error: Error): Refusal {
  return { status: 400, reason: 'malformed_http', message: `malformed HTTP: ${error.message}` };
}

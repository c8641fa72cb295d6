import type { IncomingMessage, ServerResponse } from 'node:http';
import { MessageError } from '@sink/cloudevents';
import { assertNever } from '@sink/domain';
import type { AppendOutcome } from '../commit/appender.ts';
import type { RefusalReason } from '../metrics.ts';
import { TAKEN_CODINGS } from './content-coding.ts';

/** The answer of a request that gets no 2xx. `message` is one short line: brokers keep it beside a dead-lettered event. */
export interface Refusal {
  status: 400 | 401 | 403 | 405 | 413 | 415 | 429 | 431 | 500 | 501 | 503;
  reason: RefusalReason;
  message: string;
  headers?: Record<string, string>;
}

const MESSAGE_CHARACTERS_MAX = 400;
/** Seconds. Brokers that read Retry-After spread their retries by themselves. */
const RETRY_AFTER = { 'Retry-After': '5' };
/** Node reads and drops an unread rest up to this size, to keep the connection. */
const DROPPED_REST_BYTES_MAX = 65_536;
/** How long a client that is still sending may take to read the answer before its connection is closed. */
const LINGER_MAX_MS = 2000;
/** A client that sees the answer stops sending. Only for one that sends all first, its bytes are read, and dropped. */
const DROP_AFTER_MS = 250;
const LINGER_MAX_BYTES = 64 * 1024 * 1024;

export function unavailable(reason: RefusalReason, message: string): Refusal {
  return { status: 503, reason, message, headers: RETRY_AFTER };
}

export function bodyTooLarge(maxBodyBytes: number): Refusal {
  return { status: 413, reason: 'body_too_large', message: `the body is larger than ${maxBodyBytes} bytes` };
}

export const NO_ROOM = unavailable(
  'in_flight_full',
  'too many requests are in flight: nothing of this request was stored',
);
export const TOO_SLOW = unavailable('too_slow', 'the body came too slowly while other requests waited for room');

/** 429: others still have room, so the producer's own retry is what helps. */
export const PRODUCER_NO_ROOM: Refusal = {
  status: 429,
  reason: 'producer_in_flight_bytes',
  message: 'too much of this producer is in flight: nothing of this request was stored',
  headers: { 'Retry-After': '1' },
};

export const OVERLOADED = unavailable(
  'overloaded',
  'this instance is too busy to answer in time: nothing of this request was stored',
);

/** A bug of ours: the producer sends again. */
export const INTERNAL: Refusal = { status: 500, reason: 'internal', message: 'the request could not be handled' };

export function unknownEncoding(header: string): Refusal {
  return {
    status: 415,
    reason: 'content_encoding',
    message: `Content-Encoding ${JSON.stringify(header.slice(0, 60))}: only one of ${TAKEN_CODINGS} is taken`,
    headers: { 'Accept-Encoding': TAKEN_CODINGS },
  };
}

/** RFC 9112, section 6.1: a coding that the server does not know. Its bytes must not be stored as if they were the event's. */
export function unknownTransferCoding(header: string): Refusal {
  return {
    status: 501,
    reason: 'transfer_encoding',
    message: `Transfer-Encoding ${JSON.stringify(header.slice(0, 60))}: only chunked is taken`,
  };
}

export function badCompression(coding: string, problem: string): Refusal {
  const message = `the body is no valid ${coding}: ${problem || 'damaged'}`;
  return { status: 400, reason: 'compressed_data', message };
}

/** The answer to a message that cannot be decoded. Any other error than MessageError is our bug: the producer retries. */
export function refusalOfDecoding(error: unknown): Refusal {
  if (error instanceof MessageError) return { status: error.status, reason: error.code, message: error.message };
  return INTERNAL;
}

/** The answer for events that are not stored: always one after which the producer sends them again. */
export function refusalOfOutcome(outcome: Exclude<AppendOutcome, 'stored' | 'gone'>): Refusal {
  switch (outcome) {
    case 'backlog_full':
      return unavailable(outcome, 'the backlog is full: nothing of this request was stored');
    case 'redis_away':
      return unavailable(outcome, 'the event store is away: nothing of this request was stored');
    case 'in_doubt':
      return unavailable(outcome, 'the event store did not confirm: send this request again');
    case 'overloaded':
      return OVERLOADED;
    case 'stopping':
      return unavailable(outcome, 'this instance is stopping: nothing of this request was stored');
    default:
      return assertNever(outcome);
  }
}

/** Sends a 2xx with an empty body: some brokers take a body for a reply event. */
export function sendEmpty(res: ServerResponse, status: 200 | 202, headers: Record<string, string>): void {
  res.writeHead(status, headers);
  res.end();
}

export const NO_BODY = { 'Content-Length': '0' };
export const NO_BODY_AND_CLOSE = { 'Content-Length': '0', Connection: 'close' };

/** Answers with the refusal's one line, whether or not the body was read. */
export function sendRefusal(req: IncomingMessage, res: ServerResponse, refusal: Refusal, closing: boolean): void {
  const { status, headers, message } = refusal;
  const body = oneLine(message);
  sendAnswer(req, res, { status, headers: { ...headersOfText(body), ...headers }, body }, closing);
}

/**
 * Answers, whether or not the body was read. A client that is still sending a large body gets the answer, and time to read
 * it: the system resets a connection that is closed over unread data, and the answer is lost with it.
 *
 * @param closing the server stops: the answer ends its connection
 */
export function sendAnswer(
  req: IncomingMessage,
  res: ServerResponse,
  { status, headers, body }: { status: number; headers: Record<string, string>; body: string | Buffer },
  closing: boolean,
): void {
  if (res.destroyed || res.headersSent) return;
  const rest = unreadRest(req);
  res.writeHead(status, closing || rest !== 'none' ? { ...headers, Connection: 'close' } : headers);
  if (rest !== 'being sent') {
    res.end(body);
    return;
  }
  res.write(body);
  linger(req, res);
}

/** The raw bytes of an answer to bytes that never became a request. */
export function rawRefusal(refusal: Refusal, statusText: string): string {
  const body = oneLine(refusal.message);
  const headers = Object.entries({ ...headersOfText(body), Connection: 'close', ...refusal.headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `HTTP/1.1 ${refusal.status} ${statusText}\r\n${headers.join('')}\r\n${body}`;
}

function headersOfText(body: string): Record<string, string> {
  return { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': String(Buffer.byteLength(body)) };
}

function oneLine(message: string): string {
  const line = message.replace(/[\r\n]+/g, ' ');
  return `${line.length > MESSAGE_CHARACTERS_MAX ? `${line.slice(0, MESSAGE_CHARACTERS_MAX)}…` : line}\n`;
}

/** Whether a rest of the body is unread: none (or a small one), one that the client will not send, or one it is sending. */
function unreadRest(req: IncomingMessage): 'none' | 'not sent' | 'being sent' {
  const { 'content-length': length, 'transfer-encoding': coding, expect } = req.headers;
  if (req.complete || req.destroyed || (length === undefined && coding === undefined)) return 'none';
  if (expect !== undefined && !req.readableDidRead) return 'not sent';
  // Node reads and drops the rest of a request after its answer.
  return Number(length ?? Infinity) <= DROPPED_REST_BYTES_MAX ? 'none' : 'being sent';
}

function linger(req: IncomingMessage, res: ServerResponse): void {
  let droppedBytes = 0;
  const close = (): void => {
    clearTimeout(start);
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(close, LINGER_MAX_MS);
  req.removeAllListeners('data');
  req.pause();
  const start = setTimeout(() => {
    req.on('data', (chunk: Buffer) => {
      droppedBytes += chunk.length;
      if (droppedBytes > LINGER_MAX_BYTES) close();
    });
    req.resume();
  }, DROP_AFTER_MS);
  req.once('end', close);
  req.once('close', close);
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gunzip as gunzipCallback } from 'node:zlib';
import type { Admission, Reader } from './admission.ts';
import { bodyTooLarge, unavailable } from './answers.ts';
import type { Refusal } from './answers.ts';

const gunzip = promisify(gunzipCallback);

/** What a body of unknown length, or the step it grows by, reserves. */
const STEP_BYTES = 65_536;
/** Node reads that much of a body at once before anybody has asked for it. */
const READ_AHEAD_BYTES = 65_536;
const INFLATE_CHUNK_BYTES_MIN = 1024;
const INFLATE_CHUNK_BYTES_MAX = 1024 * 1024;
/** Header and trailer of an empty gzip member: less is no gzip. */
const GZIP_BYTES_MIN = 18;

/** How receiving a request's body ended. */
export type Received =
  /**
   * The body without Content-Encoding, and how long it had to wait for room, in milliseconds. `release` must be called
   * once, when nothing of it is held any more.
   */
  | { kind: 'body'; body: Buffer; heldMs: number; release: () => void }
  | { kind: 'refused'; refusal: Refusal }
  /** The client went away; there is nobody to answer. */
  | { kind: 'gone' };

/**
 * Receives one body: waits until there is room for it, reads it, and takes Content-Encoding off. It holds no more than
 * `admission` let in, and never more than `maxBodyBytes` before or after inflating.
 *
 * `done` is called exactly once. An unread rest of the body is left to whoever answers.
 */
export function receiveBody(
  req: IncomingMessage,
  res: ServerResponse,
  admission: Admission,
  maxBodyBytes: number,
  done: (received: Received) => void,
): void {
  const encoding = contentEncoding(req.headers['content-encoding']);
  if (encoding === null) {
    done({ kind: 'refused', refusal: unknownEncoding(req.headers['content-encoding'] ?? '') });
    return;
  }
  const length = req.headers['content-length'];
  if (length !== undefined && Number(length) > maxBodyBytes) {
    done({ kind: 'refused', refusal: bodyTooLarge(maxBodyBytes) });
    return;
  }
  new Reception(req, res, admission, maxBodyBytes, encoding, done).begin();
}

/** Null: one that is not known here, or more than one. */
function contentEncoding(header: string | undefined): 'identity' | 'gzip' | null {
  if (header === undefined) return 'identity';
  const codings = header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length === 0) return 'identity';
  return codings.length === 1 && (codings[0] === 'gzip' || codings[0] === 'x-gzip') ? 'gzip' : null;
}

function unknownEncoding(header: string): Refusal {
  return {
    status: 415,
    reason: 'content_encoding',
    message: `Content-Encoding ${JSON.stringify(header.slice(0, 60))}: only gzip and identity are taken`,
    headers: { 'Accept-Encoding': 'gzip, identity' },
  };
}

const NO_ROOM = unavailable('in_flight_full', 'too many requests are in flight: nothing of this request was stored');
const TOO_SLOW = unavailable('too_slow', 'the body came too slowly while other requests waited for room');

class Reception {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #admission: Admission;
  readonly #maxBodyBytes: number;
  readonly #encoding: 'identity' | 'gzip';
  readonly #done: (received: Received) => void;
  #chunks: Buffer[] = [];
  #receivedBytes = 0;
  /** What is taken from the admission for this request. */
  #heldBytes = 0;
  /** How much body there may be before more has to be taken. */
  #roomBytes = 0;
  #complete = false;
  #finished = false;
  #stopWaiting: (() => void) | null = null;
  /** How long it has waited for room, in milliseconds: not how long the client took to send. */
  #heldMs = 0;
  #reader: Reader | null = null;

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    admission: Admission,
    maxBodyBytes: number,
    encoding: 'identity' | 'gzip',
    done: (received: Received) => void,
  ) {
    this.#req = req;
    this.#res = res;
    this.#admission = admission;
    this.#maxBodyBytes = maxBodyBytes;
    this.#encoding = encoding;
    this.#done = done;
  }

  begin(): void {
    const req = this.#req;
    const declared = req.headers['content-length'];
    const headBytes = headSize(req.rawHeaders);
    const chunked = req.headers['transfer-encoding'] !== undefined;
    this.#roomBytes =
      declared === undefined ? (chunked ? Math.min(STEP_BYTES, this.#maxBodyBytes) : 0) : Number(declared);
    const bytes = headBytes + this.#roomBytes;

    // Also emitted after an ordinary end.
    req.once('close', () => {
      if (!this.#complete) this.#finish({ kind: 'gone' });
    });
    // Without a listener Node keeps errors to itself; 'close' follows each of them.
    req.once('error', () => undefined);

    if (this.#admission.tryTake(bytes)) {
      this.#heldBytes = bytes;
      this.#read();
      return;
    }
    const costBytes = headBytes + Math.min(chunked ? READ_AHEAD_BYTES : this.#roomBytes, READ_AHEAD_BYTES);
    const sinceMs = this.#admission.nowMs();
    this.#stopWaiting = this.#admission.waitToEnter(
      bytes,
      costBytes,
      () => {
        this.#stopWaiting = null;
        this.#heldMs = this.#admission.nowMs() - sinceMs;
        this.#heldBytes = bytes;
        this.#read();
      },
      () => this.#refuse(NO_ROOM),
    );
    if (this.#stopWaiting === null) this.#refuse(NO_ROOM);
  }

  #read(): void {
    const req = this.#req;
    this.#reader = {
      sinceMs: this.#admission.nowMs(),
      bytes: 0,
      paused: false,
      evict: () => this.#refuse(TOO_SLOW),
    };
    this.#admission.startReading(this.#reader);
    // The client has asked whether to send the body at all: now there is room for it.
    if (req.headers.expect !== undefined && req.httpVersion === '1.1') this.#res.writeContinue();
    req.on('data', (chunk: Buffer) => this.#take(chunk));
    req.once('end', () => this.#readToEnd());
  }

  #take(chunk: Buffer): void {
    if (this.#finished) return;
    this.#receivedBytes += chunk.length;
    if (this.#reader !== null) this.#reader.bytes += chunk.length;
    if (this.#receivedBytes > this.#maxBodyBytes) {
      this.#refuse(bodyTooLarge(this.#maxBodyBytes));
      return;
    }
    this.#chunks.push(chunk);
    if (this.#receivedBytes <= this.#roomBytes) return;
    // Twice as much at each step, so that many small chunks make few steps.
    const nextRoomBytes = Math.min(Math.max(this.#receivedBytes, 2 * this.#roomBytes), this.#maxBodyBytes);
    const more = nextRoomBytes - this.#roomBytes;
    this.#roomBytes = nextRoomBytes;
    this.#req.pause();
    if (this.#reader !== null) this.#reader.paused = true;
    this.#grow(more, () => {
      if (this.#reader !== null)
        Object.assign(this.#reader, { sinceMs: this.#admission.nowMs(), bytes: 0, paused: false });
      this.#req.resume();
    });
  }

  /** Takes more room, waiting for it if need be, and goes on with `then`. */
  #grow(bytes: number, then: () => void): void {
    if (this.#admission.tryGrow(bytes, this.#heldBytes)) {
      this.#heldBytes += bytes;
      then();
      return;
    }
    const sinceMs = this.#admission.nowMs();
    this.#stopWaiting = this.#admission.waitToGrow(
      bytes,
      { ownBytes: this.#heldBytes, heldMs: this.#heldMs },
      () => {
        this.#stopWaiting = null;
        this.#heldMs += this.#admission.nowMs() - sinceMs;
        this.#heldBytes += bytes;
        then();
      },
      () => this.#refuse(NO_ROOM),
    );
  }

  #readToEnd(): void {
    if (this.#finished) return;
    this.#complete = true;
    this.#stopReading();
    const [first, second] = this.#chunks;
    const body = second === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks, this.#receivedBytes);
    this.#chunks = [];
    if (this.#encoding === 'gzip') this.#inflate(body);
    else this.#finish({ kind: 'body', body, heldMs: this.#heldMs, release: () => this.#release() });
  }

  /**
   * Inflates on Node's thread pool. How much room that takes stands in the last four bytes of a gzip member; they can
   * lie, so they only bound the first try.
   */
  #inflate(compressed: Buffer): void {
    if (compressed.length < GZIP_BYTES_MIN) {
      this.#refuse(badGzip('unexpected end of file'));
      return;
    }
    const declaredBytes = Math.min(compressed.readUInt32LE(compressed.length - 4), this.#maxBodyBytes);
    this.#grow(declaredBytes, () => void this.#inflateWithin(compressed, declaredBytes));
  }

  async #inflateWithin(compressed: Buffer, roomBytes: number): Promise<void> {
    const chunkSize = Math.min(Math.max(roomBytes + 1, INFLATE_CHUNK_BYTES_MIN), INFLATE_CHUNK_BYTES_MAX);
    try {
      const body = await gunzip(compressed, { maxOutputLength: Math.max(1, roomBytes), chunkSize });
      this.#finish({ kind: 'body', body, heldMs: this.#heldMs, release: () => this.#release() });
    } catch (error) {
      if (this.#finished) return;
      const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ERR_BUFFER_TOO_LARGE') this.#refuse(badGzip(error instanceof Error ? error.message : ''));
      else if (roomBytes >= this.#maxBodyBytes) this.#refuse(bodyTooLarge(this.#maxBodyBytes));
      else this.#grow(this.#maxBodyBytes - roomBytes, () => void this.#inflateWithin(compressed, this.#maxBodyBytes));
    }
  }

  #refuse(refusal: Refusal): void {
    this.#finish({ kind: 'refused', refusal });
  }

  #finish(received: Received): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stopWaiting?.();
    this.#stopReading();
    this.#chunks = [];
    if (received.kind !== 'body') this.#release();
    this.#done(received);
  }

  #stopReading(): void {
    if (this.#reader !== null) this.#admission.stopReading(this.#reader);
    this.#reader = null;
  }

  #release(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    if (bytes > 0) this.#admission.give(bytes);
  }
}

function badGzip(what: string): Refusal {
  return { status: 400, reason: 'compressed_data', message: `the body is no valid gzip: ${what || 'damaged'}` };
}

function headSize(rawHeaders: readonly string[]): number {
  let bytes = 0;
  for (const text of rawHeaders) bytes += text.length;
  return bytes;
}

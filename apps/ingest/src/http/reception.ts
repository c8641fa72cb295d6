import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission } from './admission.ts';
import { badCompression, bodyTooLarge, NO_ROOM, PRODUCER_NO_ROOM, TOO_SLOW } from './answers.ts';
import type { Refusal } from './answers.ts';
import type { Arrival } from './arrival.ts';
import { type ContentCoding, inflateBody, type Inflated, likelyInflatedBytes } from './content-coding.ts';
import type { BodyRoom } from '../limits/body-rooms.ts';

/** A body takes room for so much before it is read, and in such steps as it grows. */
const STEP_BYTES = 16_384;
/** Node reads this much of a body by itself, before a listener asks for it. */
const READ_AHEAD_BYTES = 65_536;

/**
 * The body without Content-Encoding, and how long the request waited for room, in milliseconds. The receiver calls `release`
 * once, when it holds nothing of the body any more.
 */
export interface ReceivedBody {
  readonly kind: 'body';
  readonly body: Buffer;
  /** The answer to a body whose compression is damaged: `body` is as it was received. Null: it is sound. */
  readonly damage: Refusal | null;
  /** The size of the body as it was received. */
  readonly receivedBytes: number;
  readonly heldMs: number;
  readonly release: () => void;
}

/** Judges a body as it was received, before its Content-Encoding is removed. Null: it may go on. */
export type Verify = (body: Buffer) => Refusal | null;

export interface BodyLimits {
  /** Before and after inflating. */
  readonly maxBodyBytes: number;
  /** What the request's producer may hold of all bodies; null: no bound of its own. */
  readonly room: BodyRoom | null;
  /** Null: the body need not be judged. */
  readonly verify: Verify | null;
}

/**
 * How receiving a request's body ended. `gone`: the client closed the connection, so nothing can be answered. `failed`: it is
 * our fault.
 */
export type Received =
  | ReceivedBody
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'gone' };

type StopWaiting = () => void;

/** A state of a reception. `stopWaiting` ends its wait for room; null: it does not wait. */
type State =
  | { readonly kind: 'waiting'; stopWaiting: StopWaiting | null }
  | Reading
  | { readonly kind: 'inflating'; stopWaiting: StopWaiting | null }
  | { readonly kind: 'settled' };

interface Reading {
  readonly kind: 'reading';
  readonly chunks: Buffer[];
  receivedBytes: number;
  /** How many bytes of the body fit into the room that was taken for it. */
  roomBytes: number;
  stopWaiting: StopWaiting | null;
}

const SETTLED: State = { kind: 'settled' };

/**
 * One body on its way in. It takes room as it arrives: a length that is only declared takes none.
 *
 * | state     | does                                           | until                                                       |
 * | --------- | ---------------------------------------------- | ----------------------------------------------------------- |
 * | waiting   | waits for room, and reads nothing              | there is room: reading                                      |
 * | reading   | reads the body; waits for room when it grows   | the whole body is there: inflating if it is compressed      |
 * | inflating | inflates; waits for room when it grows         | it is inflated                                              |
 * | settled   | nothing: `done` was called                     |                                                             |
 *
 * It settles with the body after reading or inflating; with a refusal in any state: no room in time, too large, too slow;
 * and as gone when the client leaves while it waits or reads.
 */
export class Reception implements Arrival {
  heldBytes = 0;
  sizeBytes = 0;
  progressTick = 0;
  freshBytes = 0;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #admission: Admission;
  readonly #maxBodyBytes: number;
  readonly #room: BodyRoom | null;
  readonly #verify: Verify | null;
  readonly #coding: ContentCoding;
  readonly #done: (received: Received) => void;
  #state: State = { kind: 'waiting', stopWaiting: null };
  /** How many bytes the body may have. */
  #longestBytes = 0;
  /** How long it has waited for room, in milliseconds: not how long the client took to send. */
  #heldMs = 0;

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    admission: Admission,
    { maxBodyBytes, room, verify }: BodyLimits,
    coding: ContentCoding,
    done: (received: Received) => void,
  ) {
    this.#req = req;
    this.#res = res;
    this.#admission = admission;
    this.#maxBodyBytes = maxBodyBytes;
    this.#room = room;
    this.#verify = verify;
    this.#coding = coding;
    this.#done = done;
  }

  begin(): void {
    const req = this.#req;
    if (req.destroyed) {
      // The client left while a middleware was at work: 'close' was emitted before.
      this.#settle({ kind: 'gone' });
      return;
    }
    // Node emits it after an ordinary end too.
    req.once('close', () => {
      const { kind } = this.#state;
      if (kind === 'waiting' || kind === 'reading') this.#settle({ kind: 'gone' });
    });
    // Without a listener Node emits no error; 'close' follows each of them.
    req.once('error', () => undefined);

    const declared = req.headers['content-length'];
    const chunked = req.headers['transfer-encoding'] !== undefined;
    if (chunked) this.#longestBytes = this.#maxBodyBytes;
    else if (declared !== undefined) this.sizeBytes = this.#longestBytes = Number(declared);
    const headBytes = headSize(req.rawHeaders);
    const roomBytes = Math.min(STEP_BYTES, this.#longestBytes);
    const bytes = headBytes + roomBytes;
    if (this.#room?.hold(headBytes + Math.max(this.sizeBytes, roomBytes)) === false) this.#refuse(PRODUCER_NO_ROOM);
    else if (this.#admission.tryEnter(this, bytes)) this.#read(roomBytes);
    else this.#waitToEnter(bytes, headBytes, roomBytes);
  }

  /** Refuses the request: others need its room, and its client is too slow. */
  evict(): void {
    this.#refuse(TOO_SLOW);
  }

  #waitToEnter(bytes: number, headBytes: number, roomBytes: number): void {
    const waiting: State = { kind: 'waiting', stopWaiting: null };
    this.#state = waiting;
    const sinceMs = this.#admission.nowMs();
    waiting.stopWaiting = this.#admission.waitToEnter(
      this,
      { bytes, costBytes: headBytes + Math.min(this.#longestBytes, READ_AHEAD_BYTES) },
      () => {
        this.#heldMs = this.#admission.nowMs() - sinceMs;
        this.#read(roomBytes);
      },
      () => this.#refuse(NO_ROOM),
    );
    if (waiting.stopWaiting === null) this.#refuse(NO_ROOM);
  }

  #read(roomBytes: number): void {
    const state: Reading = { kind: 'reading', chunks: [], receivedBytes: 0, roomBytes, stopWaiting: null };
    this.#state = state;
    if (this.sizeBytes <= roomBytes || !this.#admission.isCrowded(this)) {
      this.#listen();
      return;
    }
    state.roomBytes = Math.min(roomBytes + STEP_BYTES, this.sizeBytes);
    const room = { bytes: state.roomBytes - roomBytes, costBytes: READ_AHEAD_BYTES };
    this.#waitToGrow(state, room, () => this.#listen());
  }

  #listen(): void {
    const req = this.#req;
    this.#admission.startReading(this);
    // The client has asked whether to send its body: now there is room for it.
    if (req.headers.expect !== undefined && req.httpVersion === '1.1') this.#res.writeContinue();
    req.on('data', (chunk: Buffer) => this.#take(chunk));
    req.once('end', () => this.#readToEnd());
  }

  #take(chunk: Buffer): void {
    const state = this.#state;
    if (state.kind !== 'reading') return;
    state.receivedBytes += chunk.length;
    if (state.receivedBytes > this.#maxBodyBytes) {
      this.#refuse(bodyTooLarge(this.#maxBodyBytes));
      return;
    }
    state.chunks.push(chunk);
    if (state.receivedBytes === this.sizeBytes) this.#admission.stopReading(this);
    else this.#admission.progress(this, chunk.length);
    if (state.receivedBytes > state.roomBytes) this.#takeRoom(state, chunk.length);
  }

  /** Takes room for what has arrived of the body; reads no more of it before it has it. */
  #takeRoom(state: Reading, chunkBytes: number): void {
    const steps = Math.ceil(state.receivedBytes / STEP_BYTES);
    const roomBytes = Math.min(steps * STEP_BYTES, this.#longestBytes);
    const moreBytes = roomBytes - state.roomBytes;
    state.roomBytes = roomBytes;
    if (this.#room?.hold(this.heldBytes + moreBytes) === false) {
      this.#refuse(PRODUCER_NO_ROOM);
      return;
    }
    if (this.#admission.tryGrow(this, moreBytes)) return;
    this.#req.pause();
    this.#admission.stopReading(this);
    this.#waitToGrow(state, { bytes: moreBytes, costBytes: chunkBytes }, () => {
      if (state.receivedBytes !== this.sizeBytes) this.#admission.startReading(this);
      this.#req.resume();
    });
  }

  /** Takes more room, waiting for it if need be, and goes on with `then`. */
  #grow(state: { stopWaiting: StopWaiting | null }, bytes: number, then: () => void): void {
    if (this.#room?.hold(this.heldBytes + bytes) === false) this.#refuse(PRODUCER_NO_ROOM);
    else if (this.#admission.tryGrow(this, bytes)) then();
    else this.#waitToGrow(state, { bytes, costBytes: 0 }, then);
  }

  #waitToGrow(
    state: { stopWaiting: StopWaiting | null },
    room: { bytes: number; costBytes: number },
    then: () => void,
  ): void {
    const sinceMs = this.#admission.nowMs();
    state.stopWaiting = this.#admission.waitToGrow(
      this,
      { ...room, heldMs: this.#heldMs },
      () => {
        this.#heldMs += this.#admission.nowMs() - sinceMs;
        then();
      },
      () => this.#refuse(NO_ROOM),
    );
    if (state.stopWaiting === null) this.#refuse(NO_ROOM);
  }

  #readToEnd(): void {
    const state = this.#state;
    if (state.kind !== 'reading') return;
    const { chunks, receivedBytes } = state;
    const [first, second] = chunks;
    const body = second === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, receivedBytes);
    const refusal = this.#verify?.(body) ?? null;
    if (refusal !== null) this.#refuse(refusal);
    else if (this.#coding === 'identity') this.#settleWith(body, receivedBytes);
    else this.#inflate(this.#coding, body);
  }

  /** Tries with room for the likely size first; a body that is larger is inflated once more. */
  #inflate(coding: Exclude<ContentCoding, 'identity'>, compressed: Buffer): void {
    this.#endState();
    const state: State = { kind: 'inflating', stopWaiting: null };
    this.#state = state;
    const inflateWithin = (roomBytes: number): void => {
      inflateBody(coding, compressed, roomBytes)
        .then((inflated) => take(inflated, roomBytes))
        .catch((error: unknown) => this.#settle({ kind: 'failed', error }));
    };
    const take = (inflated: Inflated, roomBytes: number): void => {
      if (this.#state.kind !== 'inflating') return;
      if (inflated.kind === 'inflated') this.#settleWith(inflated.body, compressed.length);
      else if (inflated.kind === 'damaged')
        this.#settleWith(compressed, compressed.length, badCompression(coding, inflated.problem));
      else if (roomBytes >= this.#maxBodyBytes) this.#refuse(bodyTooLarge(this.#maxBodyBytes));
      else this.#grow(state, this.#maxBodyBytes - roomBytes, () => inflateWithin(this.#maxBodyBytes));
    };
    const likelyBytes = Math.min(likelyInflatedBytes(coding, compressed), this.#maxBodyBytes);
    this.#grow(state, likelyBytes, () => inflateWithin(likelyBytes));
  }

  #settleWith(body: Buffer, receivedBytes: number, damage: Refusal | null = null): void {
    this.#settle({ kind: 'body', body, damage, receivedBytes, heldMs: this.#heldMs, release: () => this.#release() });
  }

  #refuse(refusal: Refusal): void {
    this.#settle({ kind: 'refused', refusal });
  }

  #settle(received: Received): void {
    if (this.#state.kind === 'settled') return;
    this.#endState();
    this.#state = SETTLED;
    if (received.kind === 'body') this.#admission.completed(this);
    else this.#release();
    this.#done(received);
  }

  /** Leaves a state that is not settled: it waits and reads no more. */
  #endState(): void {
    const state = this.#state;
    if (state.kind === 'settled') return;
    state.stopWaiting?.();
    if (state.kind === 'reading') this.#admission.stopReading(this);
  }

  #release(): void {
    if (this.heldBytes > 0) this.#admission.give(this);
    this.#room?.release();
  }
}

function headSize(rawHeaders: readonly string[]): number {
  let bytes = 0;
  for (const text of rawHeaders) bytes += text.length;
  return bytes;
}

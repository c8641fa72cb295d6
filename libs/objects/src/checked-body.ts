import { pipeline, Transform } from 'node:stream';
import type { Readable, TransformCallback } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { ObjectToPut } from './object-store.ts';

/** The body does not have the announced length or checksum: it must be read again or rebuilt. */
export class BodyDamaged extends Error {
  override readonly name = 'BodyDamaged';
}

/** The body could not be read completely; `cause` is the reason. */
export class BodyUnreadable extends Error {
  override readonly name = 'BodyUnreadable';
}

/** What a body has to be. */
export type Announced = Pick<ObjectToPut, 'objectBytes' | 'crc32'>;

/** A body that is sent to a store. */
export interface OpenBody {
  readonly content: Buffer | Readable;
  /** Aborts with BodyDamaged or BodyUnreadable if the body fails, because clients do not notice that. */
  readonly failed: AbortSignal;
  /** Closes the stream, even if it was not read completely. Call it when the attempt is over. */
  close(): void;
}

/**
 * Opens an object's body so that a body of another length or checksum never reaches the store completely: its last
 * piece is sent only after all bytes were checked. Not every store verifies checksums, and a store that gets a short
 * body waits.
 *
 * Throws BodyDamaged for a Buffer that is not as announced, and BodyUnreadable if `body()` throws.
 */
export function openBody(object: Announced & Pick<ObjectToPut, 'body'>): OpenBody {
  const failure = new AbortController();
  if (Buffer.isBuffer(object.body)) {
    const problem = problemOf(object, object.body.length, crc32(object.body));
    if (problem !== null) throw new BodyDamaged(problem);
    return { content: object.body, failed: failure.signal, close: () => undefined };
  }
  let source: Readable;
  try {
    source = object.body();
  } catch (cause) {
    throw new BodyUnreadable('the body cannot be opened', { cause });
  }
  const gate = new Gate(object);
  pipeline(source, gate, (error) => {
    if (!error || gate.abandoned) return;
    const damaged = error instanceof BodyDamaged;
    failure.abort(damaged ? error : new BodyUnreadable(`the body cannot be read: ${error.message}`, { cause: error }));
  });
  return {
    content: gate,
    failed: failure.signal,
    close: () => {
      gate.abandoned = true;
      gate.destroy();
      source.destroy();
    },
  };
}

/** Why these are not the announced bytes; null: they are. */
export function problemOf(object: Announced, bytes: number, checksum: number): string | null {
  if (bytes !== object.objectBytes) return `the body has ${bytes} bytes instead of ${object.objectBytes}`;
  return checksum === object.crc32 ? null : 'the checksum of the body is not the one it was made with';
}

/** Passes on all pieces except the last, and the last only if length and CRC-32 are right. */
class Gate extends Transform {
  abandoned = false;
  readonly #object: Announced;
  #held: Buffer | null = null;
  #bytes = 0;
  #checksum = 0;

  constructor(object: Announced) {
    super();
    this.#object = object;
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#bytes += piece.length;
    this.#checksum = crc32(piece, this.#checksum);
    if (this.#bytes > this.#object.objectBytes) {
      return callback(new BodyDamaged(`the body has more than ${this.#object.objectBytes} bytes`));
    }
    const held = this.#held;
    this.#held = piece;
    callback(null, held ?? undefined);
  }

  override _flush(callback: TransformCallback): void {
    const problem = problemOf(this.#object, this.#bytes, this.#checksum);
    if (problem !== null) return callback(new BodyDamaged(problem));
    callback(null, this.#held ?? undefined);
  }
}

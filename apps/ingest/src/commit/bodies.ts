import { CHUNK_BYTES_MAX } from '@sink/domain';
import type { PendingAppend, PendingEntry } from './chunk-builder.ts';

const LF = 0x0a;
/** V8 keeps strings from about this size on apart, as large objects. */
const LARGE_BODY_BYTES = 128 * 1024;

/**
 * Makes the NDJSON of one append after the other. A large body is written straight into bytes: as a string it would be copied
 * twice more on its way to the socket, in pieces that stay in V8's heap for long. With batches of 100 that saves 7 % of
 * ingest's CPU time, and 20 MiB. A small body is 3 % faster as a string.
 */
export class Bodies {
  /** The memory for the large bodies of the next append. */
  #spare: Buffer | null = null;

  /** The bodies of the append's entries. */
  of({ entries, bytes }: PendingAppend): (string | Buffer)[] {
    let room: Buffer | null = null;
    let at = 0;
    return entries.map((entry) => {
      if (entry.bytes < LARGE_BODY_BYTES) return `${entry.lines.join('\n')}\n`;
      room ??= this.#room(bytes);
      const body = room.subarray(at, at + entry.bytes);
      at += entry.bytes;
      write(entry, body);
      return body;
    });
  }

  /** Call it when no copy of these bodies is on its way any more. */
  reuse(bodies: readonly (string | Buffer)[]): void {
    const large = bodies.find((body) => typeof body !== 'string');
    if (large?.buffer.byteLength === CHUNK_BYTES_MAX) this.#spare = Buffer.from(large.buffer);
  }

  /**
   * Memory for large bodies: one append after the other uses the same. The system would map new memory page by page, and V8
   * would collect garbage for it. With batches of 100 that saves a fifth of ingest's CPU time, and 40 MB.
   */
  #room(bytes: number): Buffer {
    if (bytes > CHUNK_BYTES_MAX) return Buffer.allocUnsafeSlow(bytes);
    const room = this.#spare ?? Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
    this.#spare = null;
    return room;
  }
}

function write({ lines }: PendingEntry, body: Buffer): void {
  let at = 0;
  for (const line of lines) {
    at += body.write(line, at);
    at = body.writeUInt8(LF, at);
  }
}

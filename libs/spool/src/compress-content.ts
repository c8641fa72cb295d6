import type { Compression } from '@sink/domain';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { Compressor } from './compressor.ts';

/** How much is checksummed before the event loop continues: about 2 ms. */
const CHECKSUM_BYTES_PER_TURN = 8 * 1024 * 1024;

export interface CompressedContent {
  /** The bytes of the object. */
  readonly body: Buffer;
  /** CRC32 of `body`. */
  readonly crc32: number;
}

/**
 * The bytes of an object from its content, for an uploader without the file. They are the bytes that a SegmentWriter makes
 * of the same content, however either was divided, as long as both run on the same version of Node.
 *
 * Holds the whole object in memory. @throws RangeError for a level the codec does not have.
 */
export async function compressContent(
  content: readonly Buffer[],
  compression: Compression,
  level?: number,
): Promise<CompressedContent> {
  const parts: Buffer[] = compression === 'none' ? [...content] : [];
  if (compression !== 'none') {
    const compressor = new Compressor(compression, level, {
      append: (bytes) => {
        parts.push(bytes);
      },
      room: () => undefined,
    });
    for (const piece of content) {
      compressor.append(piece);
      await compressor.room();
    }
    await compressor.end();
  }
  const body = Buffer.concat(parts);
  let checksum = 0;
  for (let offset = 0; offset < body.length; offset += CHECKSUM_BYTES_PER_TURN) {
    if (offset > 0) await nextTurn();
    checksum = crc32(body.subarray(offset, offset + CHECKSUM_BYTES_PER_TURN), checksum);
  }
  return { body, crc32: checksum };
}

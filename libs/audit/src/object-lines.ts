import { createHash } from 'node:crypto';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Compression } from '@sink/domain';

const LF = 0x0a;

/** The uncompressed pieces of an object. */
export function contentOf(object: Readable, compression: Compression): Readable {
  switch (compression) {
    case 'none':
      return object;
    case 'gzip':
      return pipeline(object, createGunzip(), () => undefined);
    case 'zstd':
      return pipeline(object, createZstdDecompress(), () => undefined);
  }
}

export interface ContentFacts {
  readonly count: number;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Reads NDJSON to its end, line by line.
 * @param onLine hears of each line without its LF; a promise is waited for
 */
export async function readLines(
  content: AsyncIterable<Buffer>,
  onLine: (line: string) => void | Promise<void>,
): Promise<ContentFacts> {
  const hash = createHash('sha256');
  let [count, bytes] = [0, 0];
  const begun: Buffer[] = [];
  for await (const piece of content) {
    hash.update(piece);
    bytes += piece.length;
    let start = 0;
    for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, start)) {
      begun.push(piece.subarray(start, end));
      const line = begun.length === 1 ? piece.toString('utf8', start, end) : Buffer.concat(begun).toString('utf8');
      begun.length = 0;
      count += 1;
      await onLine(line);
      start = end + 1;
    }
    if (start < piece.length) begun.push(piece.subarray(start));
  }
  return { count, bytes, sha256: hash.digest('hex') };
}

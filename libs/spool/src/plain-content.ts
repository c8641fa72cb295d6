import type { Compression } from '@sink/domain';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { SpooledObject } from './spool-directory.ts';

/** The uncompressed content of a segment file. Fails if its bytes are not of this compression. */
export function plainContent({ body }: Pick<SpooledObject, 'body'>, compression: Compression): AsyncIterable<Buffer> {
  const source = Buffer.isBuffer(body) ? Readable.from([body]) : body();
  switch (compression) {
    case 'none':
      return source;
    case 'gzip':
      return pipeline(source, createGunzip(), () => undefined);
    case 'zstd':
      return pipeline(source, createZstdDecompress(), () => undefined);
  }
}

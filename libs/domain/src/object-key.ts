import { assertNever } from './assert-never.ts';
import type { Compression } from './compression.ts';
import type { Slice } from './segment.ts';

/** Hexadecimal digits of the content's SHA-256 in a key: 128 bits, so that two contents never share a key. */
const KEY_HASH_DIGITS = 32;

export interface ObjectIdentity {
  readonly prefix: string;
  readonly partition: string;
  /** Random, made once per lane in Redis: two sinks on one bucket, or a Redis that started empty, never meet on a key. */
  readonly laneUid: string;
  readonly first: Slice;
  /** SHA-256 of the uncompressed content, hex. */
  readonly sha256: string;
  readonly compression: Compression;
}

/** The key of an object; it follows from what was sealed alone, so a retry writes the same object (ADR 3). */
export function objectKey(object: ObjectIdentity): string {
  const [chunkId, offset] = object.first;
  const name = `eventing-${object.laneUid}-${chunkId}-${offset}-${object.sha256.slice(0, KEY_HASH_DIGITS)}`;
  return `${object.prefix}${object.partition}/${name}.${extension(object.compression)}`;
}

export function contentType(compression: Compression): string {
  switch (compression) {
    case 'none':
      return 'application/x-ndjson';
    case 'gzip':
      return 'application/gzip';
    case 'zstd':
      return 'application/zstd';
    default:
      return assertNever(compression);
  }
}

function extension(compression: Compression): string {
  switch (compression) {
    case 'none':
      return 'ndjson';
    case 'gzip':
      return 'ndjson.gz';
    case 'zstd':
      return 'ndjson.zst';
    default:
      return assertNever(compression);
  }
}

import { isSafePath } from './destination.ts';
import { partitionSpan } from './partition.ts';
import type { Slice } from './segment.ts';

/** Hexadecimal digits of the content's SHA-256 in a key: 128 bits, so that two contents never share a key. */
const KEY_HASH_DIGITS = 32;
/** The compression of an object, fixed at seal and part of the record. */
export type Compression = 'none' | 'gzip' | 'zstd';

const FORMATS: Readonly<Record<Compression, { readonly ending: string; readonly contentType: string }>> = {
  none: { ending: 'ndjson', contentType: 'application/x-ndjson' },
  gzip: { ending: 'ndjson.gz', contentType: 'application/gzip' },
  zstd: { ending: 'ndjson.zst', contentType: 'application/zstd' },
};

export function isCompression(value: unknown): value is Compression {
  return typeof value === 'string' && Object.hasOwn(FORMATS, value);
}

export interface ObjectIdentity {
  readonly prefix: string;
  readonly path: string;
  /**
   * Random, made once per lane in Redis, so that two sinks on one bucket, or a Redis that lost its data, never use one
   * key.
   */
  readonly laneUid: string;
  readonly first: Slice;
  /** SHA-256 of the uncompressed content, hex. */
  readonly sha256: string;
  readonly compression: Compression;
}

/** The key of an object. It depends only on what was sealed, so a retry writes the same object (ADR 3). */
export function objectKey(object: ObjectIdentity): string {
  const [chunkId, offset] = object.first;
  const name = [
    'eventing',
    object.laneUid,
    chunkId,
    `${offset}-${object.sha256.slice(0, KEY_HASH_DIGITS)}`, // rule: key.content
  ].join('-');
  return `${object.prefix}${object.path}/${name}.${FORMATS[object.compression].ending}`;
}

/** The longest name of an object: chunk ids are two numbers of 64 bits. */
const NAME_BYTES_MAX = 'eventing-0123456789abcdef--12345-.ndjson.zst'.length + 41 + KEY_HASH_DIGITS;

/** The length of the longest key with this prefix, of a path with so many bytes. */
export function keyBytesMax(prefix: string, pathBytes: number): number {
  return Buffer.byteLength(prefix) + pathBytes + '/'.length + NAME_BYTES_MAX;
}

/** The parts of an object's key. */
export interface ParsedKey {
  readonly path: string;
  readonly laneUid: string;
  /** Lane, first chunk and offset. If it is the same in two keys, the same event is stored in two objects. */
  readonly firstEvent: string;
  /** When the first chunk was appended: Unix time in milliseconds by Redis' clock. */
  readonly appendedMs: number;
  readonly compression: Compression;
}

const COMPRESSIONS = Object.keys(FORMATS).filter(isCompression);
const NAME = /^(.+)\/eventing-([^-/]+)-(\d+-\d+)-(\d+)-[0-9a-f]{32}\.(ndjson(?:\.gz|\.zst)?)$/;

/** The reverse of objectKey; null for keys that objectKey does not make. */
export function parseObjectKey(prefix: string, key: string): ParsedKey | null {
  const match = key.startsWith(prefix) ? NAME.exec(key.slice(prefix.length)) : null;
  if (!match) return null;
  const [, path = '', laneUid = '', chunkId = '', offset = '', ending] = match;
  const compression = COMPRESSIONS.find((one) => FORMATS[one].ending === ending);
  if (compression === undefined || !isSafePath(path)) return null;
  const appendedMs = Number.parseInt(chunkId, 10);
  return { path, laneUid, firstEvent: `${laneUid} ${chunkId} ${offset}`, appendedMs, compression };
}

/** The compression that the name at the end of a key says, whatever its folder is; null for a name that objectKey does not make. */
export function compressionOfKey(key: string): Compression | null {
  const ending = NAME.exec(key)?.[5];
  return COMPRESSIONS.find((one) => FORMATS[one].ending === ending) ?? null;
}

/** The lane of an object, whatever its folder is; null for a key that objectKey does not make. */
export function laneUidOfKey(key: string): string | null {
  return NAME.exec(key)?.[2] ?? null;
}

/** An hour or a day at the end of a folder. */
const SLOT_AT_END = /\d{4}\/\d{2}\/\d{2}(?:\/\d{2})?$/;

/**
 * The prefix with which objectKey made this key, whatever prefix is configured now; null for keys that it did not make.
 * @param path of the object; absent: a slot of time, as in all that is of version 1
 */
export function prefixOfObjectKey(key: string, path?: string): string | null {
  const folder = NAME.exec(key)?.[1] ?? '';
  const end = path ?? SLOT_AT_END.exec(folder)?.[0] ?? '';
  if (path === undefined && partitionSpan(end) === null) return null;
  return isSafePath(end) && folder.endsWith(end) ? folder.slice(0, -end.length) : null;
}

export function contentType(compression: Compression): string {
  return FORMATS[compression].contentType;
}

import { SpoolError } from './spool-error.ts';
import { type Compression, isCompression } from '@sink/domain';
import { crc32 } from 'node:zlib';

/**
 * A segment file:
 *
 *     bytes 0 .. objectBytes     the object, exactly as it is put to S3
 *     footer                     JSON, UTF-8: `SegmentFooter` with `v`
 *     trailer, 16 bytes          footer's length (u32, little endian), footer's CRC32 (u32), MAGIC
 *
 * The object comes first, so that a PUT streams from the start of the file; the sizes come last, because they are known
 * last. Fields that a later release of the same version adds are ignored. The trailer is the same in every version.
 */
export const SEGMENT_FILE_VERSION = 1;
const MAGIC = Buffer.from('SINKSEG\n', 'latin1');
export const TRAILER_BYTES = 8 + MAGIC.length;
/** Far above the record of a segment of 4,000 slices. It bounds how much a damaged trailer can make a reader read. */
export const FOOTER_BYTES_MAX = 16 * 1024 * 1024;

/** What is known of a segment when it is finished. */
export interface SegmentContent {
  /** Of the uncompressed content. */
  readonly contentBytes: number;
  /** Of the uncompressed content, hex. */
  readonly sha256: string;
  readonly objectBytes: number;
  /** Of the object's bytes. */
  readonly crc32: number;
}

export interface SegmentFooter extends SegmentContent {
  readonly segmentId: string;
  readonly compression: Compression;
  /** Opaque: the record that the batcher sealed. */
  readonly record: string;
}

/**
 * Footer and trailer, which follow the object's bytes.
 * @throws SpoolError `record_too_large`
 */
export function encodeFooter(footer: SegmentFooter, action: string): Buffer {
  const json = Buffer.from(JSON.stringify({ v: SEGMENT_FILE_VERSION, ...footer }));
  if (json.length > FOOTER_BYTES_MAX) {
    throw new SpoolError('record_too_large', action, `a footer of ${json.length} bytes is over ${FOOTER_BYTES_MAX}`);
  }
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(json.length, 0);
  numbers.writeUInt32LE(crc32(json), 4);
  return Buffer.concat([json, numbers, MAGIC]);
}

export interface Trailer {
  readonly footerBytes: number;
  readonly footerCrc32: number;
}

/**
 * @param bytes The last TRAILER_BYTES of a file, or all of it if it is shorter.
 * @throws SpoolError `segment_damaged`
 */
export function decodeTrailer(bytes: Buffer, fileBytes: number, action: string): Trailer {
  if (bytes.length < TRAILER_BYTES) throw damaged(action, `${fileBytes} bytes are too few for a segment file`);
  if (!bytes.subarray(8).equals(MAGIC)) throw damaged(action, 'it does not end like a segment file');
  const trailer = { footerBytes: bytes.readUInt32LE(0), footerCrc32: bytes.readUInt32LE(4) };
  if (trailer.footerBytes > Math.min(FOOTER_BYTES_MAX, fileBytes - TRAILER_BYTES)) {
    throw damaged(action, `a footer of ${trailer.footerBytes} bytes in a file of ${fileBytes}`);
  }
  return trailer;
}

/**
 * @param bytes The footer alone.
 * @throws SpoolError `segment_damaged`, and `segment_version` for the footer of a newer release
 */
export function decodeFooter(
  bytes: Buffer,
  trailer: Trailer,
  expected: { readonly segmentId: string; readonly fileBytes: number },
  action: string,
): SegmentFooter {
  if (crc32(bytes) !== trailer.footerCrc32) throw damaged(action, 'the checksum of the footer does not match');
  const value = parseJson(bytes);
  if (value === null) throw damaged(action, 'the footer is not a JSON object');
  const { v } = value;
  if (typeof v === 'number' && Number.isInteger(v) && v > SEGMENT_FILE_VERSION) {
    throw new SpoolError('segment_version', action, `version ${v} is above ${SEGMENT_FILE_VERSION}`);
  }
  if (v !== SEGMENT_FILE_VERSION || !isFooter(value)) {
    throw damaged(action, 'a field of the footer is missing or has another type');
  }
  if (value.segmentId !== expected.segmentId) throw damaged(action, 'it is the file of another segment');
  if (value.objectBytes + bytes.length + TRAILER_BYTES !== expected.fileBytes) {
    throw damaged(action, `${value.objectBytes} bytes of object do not add up to a file of ${expected.fileBytes}`);
  }
  return value;
}

export function damaged(action: string, problem: string): SpoolError {
  return new SpoolError('segment_damaged', action, problem);
}

type Fields = Record<string, unknown>;

function parseJson(bytes: Buffer): Fields | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function isFooter(value: Fields): value is Fields & SegmentFooter {
  return (
    typeof value['segmentId'] === 'string' &&
    isCompression(value['compression']) &&
    isSize(value['contentBytes']) &&
    typeof value['sha256'] === 'string' &&
    /^[0-9a-f]{64}$/.test(value['sha256']) &&
    isSize(value['objectBytes']) &&
    isSize(value['crc32']) &&
    value['crc32'] <= 0xffff_ffff &&
    typeof value['record'] === 'string'
  );
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

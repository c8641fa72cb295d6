import { promisify } from 'node:util';
import {
  brotliDecompress as brotliCallback,
  constants,
  gunzip as gunzipCallback,
  inflate as inflateCallback,
  inflateRaw as inflateRawCallback,
  zstdDecompress as zstdCallback,
} from 'node:zlib';

/** The codings of a request body (RFC 9110, section 8.4.1; br: RFC 7932; zstd: RFC 8878). `x-gzip` is gzip. */
export type ContentCoding = 'identity' | 'gzip' | 'deflate' | 'br' | 'zstd';
type Compressed = Exclude<ContentCoding, 'identity'>;

/** For Accept-Encoding (RFC 9110, section 12.5.3), and for messages. */
export const TAKEN_CODINGS = 'gzip, deflate, br, zstd, identity';

const NAMES: ReadonlyMap<string, Compressed> = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
  ['zstd', 'zstd'],
]);

const CHUNK_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;
/** Header and trailer of an empty gzip member: a shorter body is no gzip. */
const GZIP_BYTES_MIN = 18;
/** Where a coding does not say its inflated size: what JSON usually becomes. */
const USUAL_RATIO = 8;
/** Frames of a zstd body. Each is a task of its own for the thread pool, and an empty one has nine bytes. */
const ZSTD_FRAMES_MAX = 1000;
/** The largest window of the content coding zstd, 8 MiB (RFC 9659): a frame may ask for so much memory beside its content. */
const ZSTD_WINDOW_LOG_MAX = 23;

/** The coding that a Content-Encoding names; null: an unknown one, or more than one. */
export function contentCoding(header: string | undefined): ContentCoding | null {
  if (header === undefined) return 'identity';
  const codings = header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  const [coding, further] = codings;
  if (coding === undefined) return 'identity';
  return further === undefined ? (NAMES.get(coding) ?? null) : null;
}

/** About how many bytes a compressed body has when it is inflated. It can be wrong: it bounds a first try only. */
export function likelyInflatedBytes(coding: Compressed, body: Buffer): number {
  if (coding === 'gzip' && body.length >= GZIP_BYTES_MIN) return body.readUInt32LE(body.length - 4);
  return body.length * USUAL_RATIO;
}

/** How inflating a body ended. `too_large`: it has more than the bytes that were allowed. */
export type Inflated =
  | { readonly kind: 'inflated'; readonly body: Buffer }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'damaged'; readonly problem: string };

/**
 * Inflates a body on Node's thread pool, to at most `maxBytes`. A gzip body may have several members (RFC 1952, section 2.2), a
 * zstd body several frames (RFC 8878, section 3). Nothing else may follow the compressed data, because it would be lost.
 */
export async function inflateBody(coding: Compressed, body: Buffer, maxBytes: number): Promise<Inflated> {
  const parts: Buffer[] = [];
  let inflatedBytes = 0;
  let at = 0;
  try {
    do {
      if (parts.length === ZSTD_FRAMES_MAX) return damaged(`it has more than ${ZSTD_FRAMES_MAX} frames`);
      const { buffer, engine } = await inflatePart(coding, body.subarray(at), maxBytes - inflatedBytes);
      parts.push(buffer);
      inflatedBytes += buffer.length;
      if (inflatedBytes > maxBytes) return { kind: 'too_large' };
      at += engine.bytesWritten;
    } while (coding === 'zstd' && at < body.length);
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') return { kind: 'too_large' };
    return damaged(error instanceof Error ? error.message : '');
  }
  // Node's gunzip checks this itself; it passes over zeros, with which tapes were filled up.
  if (at < body.length && coding !== 'gzip') return damaged('bytes follow its end');
  const [first, second] = parts;
  return { kind: 'inflated', body: second === undefined && first !== undefined ? first : Buffer.concat(parts) };
}

interface Part {
  readonly buffer: Buffer;
  /** `bytesWritten` is how much of the compressed body was read. */
  readonly engine: { readonly bytesWritten: number };
}

async function inflatePart(coding: Compressed, body: Buffer, maxBytes: number): Promise<Part> {
  const options = {
    info: true,
    maxOutputLength: Math.max(1, maxBytes),
    chunkSize: Math.min(Math.max(maxBytes + 1, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX),
  };
  switch (coding) {
    case 'gzip':
      if (body.length < GZIP_BYTES_MIN) throw new Error('unexpected end of file');
      return asPart(await gunzip(body, options));
    case 'deflate':
      return asPart(await (hasZlibHeader(body) ? inflate(body, options) : inflateRaw(body, options)));
    case 'br':
      return asPart(await brotliDecompress(body, options));
    case 'zstd':
      return asPart(
        await zstdDecompress(body, { ...options, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } }),
      );
  }
}

const gunzip = promisify(gunzipCallback);
const inflate = promisify(inflateCallback);
const inflateRaw = promisify(inflateRawCallback);
const brotliDecompress = promisify(brotliCallback);
const zstdDecompress = promisify(zstdCallback);

/** With `info` the answer has this shape; Node's types do not know it. */
function asPart(answer: unknown): Part {
  return answer as Part;
}

/** RFC 1950, section 2.2. Some clients send the data of `deflate` without this header, though RFC 9110 asks for it. */
function hasZlibHeader(body: Buffer): boolean {
  const [method = 0, flags = 0] = body;
  return (method & 0x0f) === 8 && (method * 256 + flags) % 31 === 0;
}

function damaged(problem: string): Inflated {
  return { kind: 'damaged', problem };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

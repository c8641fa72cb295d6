import { parseVersioned } from './versioned.ts';

const EVIDENCE_VERSION = 1;
/** Text whose escapes would make it longer than this many times its bytes is kept as Base64: control characters. */
const TEXT_GROWTH_MAX = 2;
export const ID_RANDOM_BYTES = 8;

/** A header field as it was sent. A value that is no UTF-8 is kept as bytes. */
export type EvidenceHeader =
  { readonly name: string; readonly value: string } | { readonly name: string; readonly value_base64: string };

/** What is known of the request in which events were refused. */
export interface RefusedRequest {
  /** Unix time in milliseconds. */
  readonly refusedAtMs: number;
  /** The name of the producer in the configuration; null: no producers are configured. */
  readonly producer: string | null;
  readonly method: string;
  readonly path: string;
  /** The names of the query's parameters. Their values may be secrets. */
  readonly query: readonly string[];
  readonly headers: readonly EvidenceHeader[];
}

/** One event that was refused. */
export interface RefusedEvent {
  /** Its place in the batch, from 0; null: the whole body. */
  readonly index: number | null;
  /** Its own bytes, after decompression if the body could be decompressed. */
  readonly bytes: Buffer;
  /** A word of a closed set, as in metrics. */
  readonly reason: string;
  /** In words. */
  readonly why: string;
}

/** A line in quarantine: a refused event, and all that is needed to correct it and to send it again (docs/quarantine.md). */
export type Evidence = {
  readonly v: typeof EVIDENCE_VERSION;
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly reason: string;
  readonly why: string;
  readonly producer: string | null;
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
  readonly headers: readonly EvidenceHeader[];
  readonly index: number | null;
  readonly bytes: number;
} & ({ readonly body: string } | { readonly body_base64: string });

export class EvidenceUnreadable extends Error {
  override readonly name = 'EvidenceUnreadable';
}

/** The line of one refused event: compact JSON without LF. */
export function evidenceLine(id: string, request: RefusedRequest, event: RefusedEvent): string {
  const evidence: Evidence = {
    v: EVIDENCE_VERSION,
    id,
    time: new Date(request.refusedAtMs).toISOString(),
    reason: event.reason,
    why: event.why,
    producer: request.producer,
    method: request.method,
    path: request.path,
    query: request.query,
    headers: request.headers,
    index: event.index,
    bytes: event.bytes.length,
    ...bodyOf(event.bytes),
  };
  return JSON.stringify(evidence);
}

function bodyOf(bytes: Buffer): { readonly body: string } | { readonly body_base64: string } {
  const text = utf8(bytes);
  const isText = text !== null && Buffer.byteLength(JSON.stringify(text)) <= bytes.length * TEXT_GROWTH_MAX + 2;
  return isText ? { body: text } : { body_base64: bytes.toString('base64') };
}

/** @param value as Node gives it: each character is a byte */
export function evidenceHeader(name: string, value: string): EvidenceHeader {
  const bytes = Buffer.from(value, 'latin1');
  const text = utf8(bytes);
  return text === null ? { name, value_base64: bytes.toString('base64') } : { name, value: text };
}

/** The text of these bytes; null if they are no UTF-8. */
function utf8(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? null : text;
}

/** @throws EvidenceUnreadable */
export function parseEvidence(line: string): Evidence {
  const value = parseVersioned(line, [EVIDENCE_VERSION], (_, message) => new EvidenceUnreadable(message));
  const { id, time, reason, why, headers, index } = value as Partial<Evidence>;
  const isSound =
    [id, time, reason, why].every((text) => typeof text === 'string') &&
    Array.isArray(headers) &&
    (index === null || Number.isSafeInteger(index)) &&
    ('body' in value || 'body_base64' in value);
  if (!isSound) throw new EvidenceUnreadable('a member is missing');
  return value as Evidence;
}

/** The bytes of the refused event. */
export function evidenceBytes(evidence: Evidence): Buffer {
  return 'body' in evidence ? Buffer.from(evidence.body) : Buffer.from(evidence.body_base64, 'base64');
}

/** Its headers as Node gives them: names and values in turn, each character a byte. */
export function evidenceRawHeaders({ headers }: Evidence): string[] {
  return headers.flatMap((header) => {
    const bytes = 'value' in header ? Buffer.from(header.value) : Buffer.from(header.value_base64, 'base64');
    return [header.name, bytes.toString('latin1')];
  });
}

/**
 * A UUID of version 7 (RFC 9562): unique, and in the order of time. `sequence` orders the events of one request, whose time
 * is the same; beyond 4,096 of them the order begins again.
 *
 * @param random ID_RANDOM_BYTES new random bytes
 */
export function evidenceId(atMs: number, sequence: number, random: Buffer): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(atMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | (sequence & 0xfff), 6);
  random.copy(bytes, 8, 0, ID_RANDOM_BYTES);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

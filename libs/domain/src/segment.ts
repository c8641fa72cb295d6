import { type Compression, isCompression } from './object-key.ts';
import { parseVersioned } from './versioned.ts';

/**
 * A segment holds the events of one object. Sealing decides once which events those are. Every upload of the segment
 * follows its record in Redis, so every retry writes the same key with the same bytes.
 */

/** Slices in one segment: limits a seal or commit script to some tens of milliseconds. */
export const SEGMENT_SLICES_MAX = 4_000;
export const RECORD_VERSION = 1;

/** Events `from` (inclusive) to `to` (exclusive) of the chunk with this id. */
export type Slice = readonly [chunkId: string, from: number, to: number];

/** What determines every upload of a sealed segment. */
export interface SealedSegment {
  readonly v: typeof RECORD_VERSION;
  /** New at every attempt to seal, so that an id never belongs to two contents. */
  readonly id: string;
  readonly key: string;
  readonly partition: string;
  readonly count: number;
  /** Bytes of uncompressed content. */
  readonly bytes: number;
  /** SHA-256 of the uncompressed content, hex. */
  readonly sha256: string;
  readonly compression: Compression;
  readonly compressionLevel?: number;
  /** The batcher instance in whose spool folder the segment file is. */
  readonly spool: string;
  /** Unix times in milliseconds: when its oldest event was accepted, and when it was sealed. */
  readonly acceptedAtMs: number;
  readonly sealedAtMs: number;
  /** The spans of its seal and of its sampled requests, as libs/tracing writes it; absent: none was sampled. */
  readonly trace?: unknown;
}

/** A sealed segment whose events are still in their chunks in Redis. */
export interface SegmentRecord extends SealedSegment {
  /** Each chunk at most once, in the order of the lines in the object. */
  readonly slices: readonly Slice[];
}

/** A sealed segment whose chunks were removed from Redis: its spool file is the only copy until it is in S3. */
export interface SpilledRecord extends SealedSegment {
  /** The spool directory that holds the file; only uploaders on that directory can upload it. */
  readonly spoolId: string;
}

export class RecordUnreadable extends Error {
  readonly code: 'record_version' | 'record_damaged';
  readonly retryable = false;
  constructor(code: RecordUnreadable['code'], message: string) {
    super(`reading a segment record: ${message}`);
    this.name = 'RecordUnreadable';
    this.code = code;
  }
}

/**
 * Parses a stored record.
 * @throws RecordUnreadable for a record of a newer release or a damaged one; the caller leaves both unchanged.
 */
export function parseRecord(json: string): SegmentRecord {
  const value = parsed(json);
  if (isSealed(value) && 'slices' in value && Array.isArray(value.slices) && value.slices.every(isSlice)) {
    return { ...value, slices: value.slices };
  }
  throw damaged();
}

/**
 * Parses the stored record of a spilled segment.
 * @throws RecordUnreadable, as parseRecord does
 */
export function parseSpilledRecord(json: string): SpilledRecord {
  const value = parsed(json);
  if (isSealed(value) && 'spoolId' in value && typeof value.spoolId === 'string') {
    return { ...value, spoolId: value.spoolId };
  }
  throw damaged();
}

/** The record of a segment after it was spilled into the spool directory with this id. */
export function spilledRecord(record: SegmentRecord, spoolId: string): SpilledRecord {
  const spilled: SpilledRecord & { slices?: unknown } = { ...record, spoolId };
  delete spilled.slices;
  return spilled;
}

function parsed(json: string): object {
  return parseVersioned(json, RECORD_VERSION, (problem, message) => new RecordUnreadable(`record_${problem}`, message));
}

function damaged(): RecordUnreadable {
  return new RecordUnreadable('record_damaged', 'a field is missing or has another type');
}

function isSealed(value: object): value is SealedSegment {
  const field = value as Partial<Record<keyof SealedSegment, unknown>>;
  return (
    [field.id, field.key, field.partition, field.sha256, field.spool].every((text) => typeof text === 'string') &&
    [field.count, field.bytes, field.acceptedAtMs, field.sealedAtMs].every(Number.isSafeInteger) &&
    isCompression(field.compression)
  );
}

function isSlice(value: unknown): value is Slice {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    typeof value[0] === 'string' &&
    Number.isSafeInteger(value[1]) &&
    Number.isSafeInteger(value[2])
  );
}

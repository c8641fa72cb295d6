import { DEFAULT_ROUTE, type Destination, isRoute, isSafePath } from './destination.ts';
import { type Compression, isCompression } from './object-key.ts';
import { parseVersioned } from './versioned.ts';

/**
 * A segment holds the events of one object. Sealing decides once which events those are. Every upload of the segment
 * follows its record in Redis, so every retry writes the same key with the same bytes.
 */

/** Slices in one segment: limits a seal or commit script to some tens of milliseconds. */
export const SEGMENT_SLICES_MAX = 4_000;
/**
 * The versions of the record's format. 1 is of the default route, with a slot of time as its path; 2 also says where and how
 * the object is put. A record of a higher version is left unchanged for a newer release (docs/adr/0033).
 */
export const RECORD_VERSION = 1;
export const ROUTED_RECORD_VERSION = 2;

/** Events `from` (inclusive) to `to` (exclusive) of the chunk with this id. */
export type Slice = readonly [chunkId: string, from: number, to: number];

/** The format of an object's content. */
export type ObjectFormat = 'jsonl';

/** What the records of both versions say. */
interface SealedFacts {
  /** New at every attempt to seal, so that an id never belongs to two contents. */
  readonly id: string;
  readonly key: string;
  readonly count: number;
  /** Bytes of uncompressed content. */
  readonly bytes: number;
  /** SHA-256 of the uncompressed content, hex. */
  readonly sha256: string;
  /** Of the object. */
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

/** Version 1. The bucket is the one of the configuration when the object is put. */
export interface PlainSegment extends SealedFacts {
  readonly v: typeof RECORD_VERSION;
  readonly partition: string;
}

/** What is fixed at the seal about the PUT of an object, beside its key and bytes. */
export interface PutOptions {
  readonly tags?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Until when the store locks the object: Unix time in milliseconds. */
  readonly lockUntilMs?: number;
}

/** Version 2. */
export interface RoutedSegment extends SealedFacts, Destination, PutOptions {
  readonly v: typeof ROUTED_RECORD_VERSION;
  /** The name of a bucket, or the file:// address of a directory. */
  readonly bucket: string;
  /** The bucket for which it was sealed, which its spool file names; absent: it is the same. */
  readonly redirectedFrom?: string;
  readonly format: ObjectFormat;
  /** Of the segment file, whose bytes are those of the object only if both are the same. */
  readonly spoolCompression: Compression;
}

/** What determines every upload of a sealed segment. */
export type SealedSegment = PlainSegment | RoutedSegment;

/** A sealed segment whose events are still in their chunks in Redis; each chunk at most once, in the order of the lines. */
export type SegmentRecord = SealedSegment & { readonly slices: readonly Slice[] };

/**
 * A sealed segment whose chunks were removed from Redis: its spool file is the only copy until it is in S3. Only uploaders
 * on the spool directory with this id, which holds the file, can upload it.
 */
export type SpilledRecord = SealedSegment & { readonly spoolId: string };

export function destinationOf(record: SealedSegment): Destination {
  if (record.v === RECORD_VERSION) return { route: DEFAULT_ROUTE, path: record.partition };
  return { route: record.route, path: record.path };
}

/** The compression of the segment's file in the spool. */
export function spoolCompressionOf(record: SealedSegment): Compression {
  return record.v === RECORD_VERSION ? record.compression : record.spoolCompression;
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
  if ('slices' in value && Array.isArray(value.slices) && value.slices.every(isSlice)) {
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
  if ('spoolId' in value && typeof value.spoolId === 'string') {
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

function parsed(json: string): SealedSegment {
  const value = parseVersioned(
    json,
    [RECORD_VERSION, ROUTED_RECORD_VERSION],
    (problem, message) => new RecordUnreadable(`record_${problem}`, message),
  );
  if (!hasFacts(value)) throw damaged();
  if (isPlainSegment(value) || isRoutedSegment(value)) return value;
  const format = 'format' in value ? value.format : undefined;
  // This release cannot make an object of another format.
  if (value.v === ROUTED_RECORD_VERSION && typeof format === 'string' && format !== 'jsonl') {
    throw new RecordUnreadable('record_version', `format ${format} is not jsonl; a newer release wrote it`);
  }
  throw damaged();
}

function damaged(): RecordUnreadable {
  return new RecordUnreadable('record_damaged', 'a field is missing or has another type');
}

function hasFacts(value: object): value is SealedFacts & { readonly v: number } {
  const field = value as Partial<Record<keyof SealedFacts, unknown>>;
  return (
    [field.id, field.key, field.sha256, field.spool].every((text) => typeof text === 'string') &&
    [field.count, field.bytes, field.acceptedAtMs, field.sealedAtMs].every(Number.isSafeInteger) &&
    isCompression(field.compression)
  );
}

function isPlainSegment(value: SealedFacts & { readonly v: number }): value is PlainSegment {
  return value.v === RECORD_VERSION && 'partition' in value && typeof value.partition === 'string';
}

function isRoutedSegment(value: SealedFacts & { readonly v: number }): value is RoutedSegment {
  const field: Partial<Record<keyof RoutedSegment, unknown>> = value;
  const { route, path, lockUntilMs } = field;
  return (
    value.v === ROUTED_RECORD_VERSION &&
    typeof field.bucket === 'string' &&
    typeof route === 'string' &&
    isRoute(route) &&
    typeof path === 'string' &&
    isSafePath(path) &&
    field.format === 'jsonl' &&
    isCompression(field.spoolCompression) &&
    (field.redirectedFrom === undefined || typeof field.redirectedFrom === 'string') &&
    isTexts(field.tags) &&
    isTexts(field.metadata) &&
    (lockUntilMs === undefined || Number.isSafeInteger(lockUntilMs))
  );
}

function isTexts(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
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

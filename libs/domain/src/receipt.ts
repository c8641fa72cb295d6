import { type Destination, isRoute, isSafePath } from './destination.ts';
import { parseVersioned } from './versioned.ts';

/** The versions of the receipt's format: each is that of the record whose object it is of (docs/adr/0033). */
export const RECEIPT_VERSION = 1;
export const ROUTED_RECEIPT_VERSION = 2;

/** What the receipts of both versions say. */
interface StoredFacts {
  readonly id: string;
  readonly key: string;
  readonly etag: string;
  readonly count: number;
  /** Bytes of uncompressed content. */
  readonly bytes: number;
  readonly sha256: string;
  readonly acceptedAtMs: number;
  readonly sealedAtMs: number;
  readonly storedAtMs: number;
}

export interface PlainReceipt extends StoredFacts {
  readonly v: typeof RECEIPT_VERSION;
  readonly objectBytes: number;
}

/** The checksum of an object's bytes, as the store has it. */
export interface ObjectChecksum {
  readonly algorithm: string;
  /** In base64, as in `x-amz-checksum-crc32`. */
  readonly value: string;
}

/** @param crc32 as an unsigned number (`zlib.crc32`) */
export function crc32Checksum(crc32: number): ObjectChecksum {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32);
  return { algorithm: 'CRC32', value: bytes.toString('base64') };
}

export interface RoutedReceipt extends StoredFacts, Destination {
  readonly v: typeof ROUTED_RECEIPT_VERSION;
  /** As in the record. */
  readonly bucket: string;
  /** Null: the object existed, and the credentials do not allow looking at it. */
  readonly objectBytes: number | null;
  /** Null: the same, or the store has none. */
  readonly checksum: ObjectChecksum | null;
}

/** What a commit stores: the proof that a segment is in the bucket, for `sink receipts` and for audits. */
export type Receipt = PlainReceipt | RoutedReceipt;

export class ReceiptUnreadable extends Error {
  readonly code: 'receipt_version' | 'receipt_damaged';
  readonly retryable = false;
  constructor(code: ReceiptUnreadable['code'], message: string) {
    super(`reading a receipt: ${message}`);
    this.name = 'ReceiptUnreadable';
    this.code = code;
  }
}

/**
 * Parses a stored receipt.
 * @throws ReceiptUnreadable for a receipt of a newer release or a damaged one
 */
export function parseReceipt(json: string): Receipt {
  const value = parseVersioned(
    json,
    [RECEIPT_VERSION, ROUTED_RECEIPT_VERSION],
    (problem, message) => new ReceiptUnreadable(`receipt_${problem}`, message),
  );
  if (!isReceipt(value)) throw new ReceiptUnreadable('receipt_damaged', 'a field is missing or has another type');
  return value;
}

function isReceipt(value: object): value is Receipt {
  const field = value as Partial<Record<keyof RoutedReceipt, unknown>>;
  const numbers = [field.count, field.bytes, field.acceptedAtMs, field.sealedAtMs, field.storedAtMs];
  const texts = [field.id, field.key, field.etag, field.sha256];
  if (!texts.every((text) => typeof text === 'string') || !numbers.every(Number.isSafeInteger)) return false;
  const hasBytes = Number.isSafeInteger(field.objectBytes);
  if (field.v === RECEIPT_VERSION) return hasBytes;
  const { bucket, route, path, objectBytes, checksum } = field;
  return (
    (hasBytes || objectBytes === null) &&
    typeof bucket === 'string' &&
    typeof route === 'string' &&
    isRoute(route) &&
    typeof path === 'string' &&
    isSafePath(path) &&
    isChecksum(checksum)
  );
}

/** A newer release may know other algorithms. */
function isChecksum(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value !== 'object') return false;
  const { algorithm, value: text } = { algorithm: undefined, value: undefined, ...value };
  return typeof algorithm === 'string' && typeof text === 'string';
}

import { parseVersioned } from './versioned.ts';

export const RECEIPT_VERSION = 1;

/** What a commit stores: the proof that a segment is in the bucket, for `sink receipts` and for audits. */
export interface Receipt {
  readonly v: typeof RECEIPT_VERSION;
  readonly id: string;
  readonly key: string;
  readonly etag: string;
  readonly count: number;
  /** Bytes of uncompressed content, and of the object. */
  readonly bytes: number;
  readonly objectBytes: number;
  readonly sha256: string;
  readonly acceptedAtMs: number;
  readonly sealedAtMs: number;
  readonly storedAtMs: number;
}

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
    RECEIPT_VERSION,
    (problem, message) => new ReceiptUnreadable(`receipt_${problem}`, message),
  );
  if (!isReceipt(value)) throw new ReceiptUnreadable('receipt_damaged', 'a field is missing or has another type');
  return value;
}

function isReceipt(value: object): value is Receipt {
  const field = value as Partial<Record<keyof Receipt, unknown>>;
  const numbers = [field.count, field.bytes, field.objectBytes, field.acceptedAtMs, field.sealedAtMs, field.storedAtMs];
  return (
    [field.id, field.key, field.etag, field.sha256].every((text) => typeof text === 'string') &&
    numbers.every(Number.isSafeInteger)
  );
}

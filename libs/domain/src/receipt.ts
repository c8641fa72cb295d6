export const RECEIPT_VERSION = 1;

/** What a commit leaves behind: the proof that a segment stands in the bucket, for `receipts` and whoever audits them. */
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

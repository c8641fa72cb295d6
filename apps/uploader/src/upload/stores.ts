import { RECORD_VERSION, type SealedSegment } from '@sink/domain';
import type { ObjectStore } from '@sink/objects';

/** The store of one bucket, and the place that its receipts name. */
export interface StoreOfBucket {
  readonly store: ObjectStore;
  readonly place: string;
}

export interface StoresOptions {
  /** The configured bucket, as records name it. */
  readonly bucket: string;
  readonly own: StoreOfBucket;
  /** Opens the store of another bucket; null: this configuration cannot reach it. Absent: there is no other. */
  readonly open?: ((bucket: string) => StoreOfBucket | null) | undefined;
}

/** A record names a bucket of another kind than the configured one: a directory, or a bucket of S3. */
export class BucketOutOfReach extends Error {
  readonly code = 'other_bucket';
  readonly retryable = true;
  constructor(segmentId: string, bucket: string) {
    super(
      `uploading segment ${segmentId}: it was sealed for the bucket ${bucket}, which this configuration cannot reach`,
    );
    this.name = 'BucketOutOfReach';
  }
}

/** The buckets into which this uploader puts objects: the configured one, and those that records of version 2 name. */
export class Stores {
  readonly #options: StoresOptions;
  readonly #others = new Map<string, StoreOfBucket>();

  constructor(options: StoresOptions) {
    this.#options = options;
  }

  /** @throws BucketOutOfReach */
  of(record: SealedSegment): StoreOfBucket {
    const { bucket, own, open } = this.#options;
    if (record.v === RECORD_VERSION || record.bucket === bucket) return own; // rule: upload.own-bucket
    const known = this.#others.get(record.bucket) ?? open?.(record.bucket) ?? null;
    if (known === null) throw new BucketOutOfReach(record.id, record.bucket);
    this.#others.set(record.bucket, known);
    return known;
  }

  close(): void {
    for (const { store } of this.#others.values()) store.close();
    this.#others.clear();
  }
}

import { isBuiltInRoute, RECORD_VERSION, type SealedSegment } from '@sink/domain';
import type { ObjectStore } from '@sink/objects';

/** The store of one bucket, and the place that its receipts name. */
export interface StoreOfBucket {
  readonly store: ObjectStore;
  readonly place: string;
}

export interface StoresOptions {
  /** The configured bucket, as records name it. */
  readonly bucket: string;
  /** The store of the configured bucket, with the settings of the top level. */
  readonly own: StoreOfBucket;
  /** Opens the store of a bucket with the settings of a route; null: this configuration cannot reach it. Absent: there is no other. */
  readonly open?: ((bucket: string, route: string) => StoreOfBucket | null) | undefined;
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

/**
 * The stores into which this uploader puts objects. A record of version 2 names bucket and route: credentials, encryption and
 * all else that a record does not fix are those of the route in today's configuration.
 */
export class Stores {
  readonly #options: StoresOptions;
  readonly #others = new Map<string, StoreOfBucket>();

  constructor(options: StoresOptions) {
    this.#options = options;
  }

  /** @throws BucketOutOfReach */
  of(record: SealedSegment): StoreOfBucket {
    if (record.v === RECORD_VERSION) return this.#options.own;
    const found = this.ofDestination(record);
    if (found === null) throw new BucketOutOfReach(record.id, record.bucket);
    return found;
  }

  /** @returns null if this configuration cannot reach the bucket */
  ofDestination({ bucket, route }: { readonly bucket: string; readonly route: string }): StoreOfBucket | null {
    const { own, open } = this.#options;
    const isOwn = bucket === this.#options.bucket && isBuiltInRoute(route); // rule: upload.own-bucket
    if (isOwn) return own;
    const name = `${route} ${bucket}`;
    const known = this.#others.get(name) ?? open?.(bucket, route) ?? null;
    if (known !== null) this.#others.set(name, known);
    return known;
  }

  close(): void {
    for (const { store } of this.#others.values()) store.close();
    this.#others.clear();
  }
}

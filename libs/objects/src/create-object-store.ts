import { FileObjectStore } from './file-object-store.ts';
import type { FileBucketSettings } from './file-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { S3ObjectStore } from './s3-object-store.ts';
import type { S3BucketSettings, S3StoreOptions } from './s3-object-store.ts';

/** Where objects go; the configuration's `bucket` fits. */
export type ObjectBucketSettings = S3BucketSettings | FileBucketSettings;

/** The store for a bucket. Opens nothing yet; `ifNoneMatch` means nothing to files, which are never overwritten. */
export function createObjectStore(bucket: ObjectBucketSettings, options: S3StoreOptions): ObjectStore {
  return bucket.kind === 's3' ? new S3ObjectStore(bucket, options) : new FileObjectStore(bucket);
}

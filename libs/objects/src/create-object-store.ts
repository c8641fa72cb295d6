import { FileObjectStore } from './file-object-store.ts';
import type { FileBucketSettings } from './file-object-store.ts';
import { S3ObjectStore } from './s3-object-store.ts';
import type { S3StoreOptions } from './s3-object-store.ts';
import type { S3BucketSettings } from './s3-client.ts';
import { FileObjectReader } from './file-object-reader.ts';
import type { ObjectReader, ObjectStore } from './object-store.ts';
import { S3ObjectReader } from './s3-object-reader.ts';

/** The bucket; `SinkConfig.bucket` has this type. */
export type ObjectBucketSettings = S3BucketSettings | FileBucketSettings;

/** The store of a bucket. Opens nothing yet. `ifNoneMatch` has no effect on files, which are never overwritten. */
export function createObjectStore(bucket: ObjectBucketSettings, options: S3StoreOptions): ObjectStore {
  return bucket.kind === 's3' ? new S3ObjectStore(bucket, options) : new FileObjectStore(bucket);
}

/** The reader of a bucket. Opens nothing yet. */
export function createObjectReader(bucket: ObjectBucketSettings): ObjectReader {
  return bucket.kind === 's3' ? new S3ObjectReader(bucket) : new FileObjectReader(bucket);
}

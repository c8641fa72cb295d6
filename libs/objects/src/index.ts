export { createObjectReader, createObjectStore } from './create-object-store.ts';
export type { ObjectBucketSettings } from './create-object-store.ts';
export type { FileBucketSettings } from './file-object-store.ts';
export type { ObjectPut, ObjectStore, ObjectStoreCheck, ObjectToPut, StoredObject } from './object-store.ts';
export { ObjectStoreError } from './object-store-error.ts';
export type { ObjectStoreErrorCode, ObjectStoreErrorKind } from './object-store-error.ts';
export type { ListedObject, ObjectReader } from './object-reader.ts';
export type { S3BucketSettings } from './s3-client.ts';
export type { S3StoreOptions } from './s3-object-store.ts';

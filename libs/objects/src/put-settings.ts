import type { StorageClass } from '@aws-sdk/client-s3';

/**
 * What the configuration of the moment says of each PUT, in the form of SinkConfig: `put` reads it at each use. What a record
 * fixes (key, tags, metadata, the end of a lock) is in ObjectToPut.
 */
export interface PutSettings {
  readonly sse?: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | null | undefined;
  readonly sseKmsKeyId?: string | null | undefined;
  readonly sseBucketKey?: boolean | null | undefined;
  readonly storageClass?: string | null | undefined;
  readonly acl?: CannedAcl | null | undefined;
  /** How `lockUntilMs` locks; default GOVERNANCE, which users with a permission of its own can end. */
  readonly objectLockMode?: 'GOVERNANCE' | 'COMPLIANCE' | null | undefined;
  readonly expectedBucketOwner?: string | null | undefined;
  readonly requesterPays?: boolean | null | undefined;
  readonly cacheControl?: string | null | undefined;
  /** Bytes above which an object is put in parts; absent: never. */
  readonly multipartAbove?: number | undefined;
}

type CannedAcl =
  | 'private'
  | 'public-read'
  | 'public-read-write'
  | 'authenticated-read'
  | 'aws-exec-read'
  | 'bucket-owner-read'
  | 'bucket-owner-full-control';

/** Of each request to the bucket. */
export function bucketHeaders({ expectedBucketOwner, requesterPays }: PutSettings): {
  ExpectedBucketOwner?: string;
  RequestPayer?: 'requester';
} {
  return {
    ...(expectedBucketOwner && { ExpectedBucketOwner: expectedBucketOwner }),
    ...(requesterPays === true && { RequestPayer: 'requester' }),
  };
}

/** Of each request that makes an object, beside `bucketHeaders`. */
export function objectHeaders({ sse, sseKmsKeyId, sseBucketKey, storageClass, acl, cacheControl }: PutSettings): {
  ServerSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  SSEKMSKeyId?: string;
  BucketKeyEnabled?: boolean;
  StorageClass?: StorageClass;
  ACL?: CannedAcl;
  CacheControl?: string;
} {
  return {
    ...(sse && { ServerSideEncryption: sse }),
    ...(sseKmsKeyId && { SSEKMSKeyId: sseKmsKeyId }),
    ...(typeof sseBucketKey === 'boolean' && { BucketKeyEnabled: sseBucketKey }),
    // Other stores have classes of their own, which the SDK does not know.
    ...(storageClass && { StorageClass: storageClass as StorageClass }),
    ...(acl && { ACL: acl }),
    ...(cacheControl && { CacheControl: cacheControl }),
  };
}

import { fileURLToPath } from 'node:url';
import type { ObjectBucketSettings } from './create-object-store.ts';

/**
 * Where objects are stored, for receipts and reports: the bucket and the server, or the directory. The prefix is no part of
 * it, because it is in each key; nor is `https://`, which may change in front of the same bucket.
 */
export function placeOf(bucket: ObjectBucketSettings): string {
  if (bucket.kind === 'file') return bucket.directory;
  const server = bucket.endpoint === undefined ? 'AWS' : new URL(bucket.endpoint).host;
  return `${bucket.name} at ${server}`;
}

/**
 * The bucket that a record or a receipt names, reached as the configured one.
 * @param name of a bucket, or the file:// address of a directory
 * @returns null if this configuration cannot reach a bucket of that kind
 */
export function bucketNamed(name: string, configured: ObjectBucketSettings): ObjectBucketSettings | null {
  if (name.startsWith('file://')) return { kind: 'file', directory: fileURLToPath(name) };
  return configured.kind === 's3' ? { ...configured, name } : null;
}

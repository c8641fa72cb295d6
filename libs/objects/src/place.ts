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

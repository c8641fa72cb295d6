import { partitionSpan } from './partition.ts';
import type { Receipt } from './receipt.ts';

const MANIFEST_VERSION = 1;
/**
 * Objects of a lane that wait for their manifests, at most. Then no more are committed, and events stay where they are,
 * until manifests get through. Half of it are drawn up before their partition is over.
 */
export const UNLISTED_MAX = 20_000;
/** Hexadecimal digits of the SHA-256 of a manifest in its key. */
const KEY_HASH_DIGITS = 32;

/** What a manifest says of one object. */
export type ManifestEntry = Pick<Receipt, 'key' | 'count' | 'bytes' | 'objectBytes' | 'sha256' | 'etag'>;

/** A manifest as it stands in the bucket: objects of one partition and one lane, each in one manifest. */
export interface Manifest {
  readonly v: typeof MANIFEST_VERSION;
  readonly partition: string;
  readonly laneUid: string;
  readonly objectCount: number;
  readonly eventCount: number;
  readonly objects: readonly ManifestEntry[];
}

/**
 * The content of the manifest of these objects; it follows from the receipts alone, whatever order they are in: to write it
 * again changes nothing.
 */
export function manifestContent(
  { partition, laneUid }: { readonly partition: string; readonly laneUid: string },
  receipts: readonly Receipt[],
): string {
  const objects = receipts
    .map(({ key, count, bytes, objectBytes, sha256, etag }): ManifestEntry => ({
      key,
      count,
      bytes,
      objectBytes,
      sha256,
      etag,
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const manifest: Manifest = {
    v: MANIFEST_VERSION,
    partition,
    laneUid,
    objectCount: objects.length,
    eventCount: objects.reduce((sum, { count }) => sum + count, 0),
    objects,
  };
  return `${JSON.stringify(manifest)}\n`;
}

/**
 * Where a manifest with this SHA-256 goes. Its name begins with an underscore: Athena, Hive and Spark do not take it for
 * data. Other content has another key, as with objects (ADR 3), so none is ever overwritten.
 */
export function manifestKey(prefix: string, { partition, laneUid }: ParsedManifestKey, sha256: string): string {
  const name = [
    '_manifest',
    laneUid,
    sha256.slice(0, KEY_HASH_DIGITS), // rule: manifest.key-content
  ].join('-');
  return `${prefix}${partition}/${name}.json`;
}

export interface ParsedManifestKey {
  readonly partition: string;
  readonly laneUid: string;
}

const NAME = /^(.+)\/_manifest-([^-/]+)-([0-9a-f]{32})\.json$/;

/** The reverse of the key; `null` for a key that is no manifest's. */
export function parseManifestKey(prefix: string, key: string): ParsedManifestKey | null {
  const [, partition = '', laneUid = ''] = (key.startsWith(prefix) && NAME.exec(key.slice(prefix.length))) || [];
  return partitionSpan(partition) === null ? null : { partition, laneUid };
}

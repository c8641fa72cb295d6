import { DEFAULT_ROUTE, type Destination, isPlain, isRoute, isSafePath } from './destination.ts';
import { partitionSpan } from './partition.ts';
import { type Receipt, ROUTED_RECEIPT_VERSION, type RoutedReceipt } from './receipt.ts';

const MANIFEST_VERSION = 1;
/**
 * The number of objects of a lane that may wait for their manifests. At this limit, commits are refused and events stay
 * in Redis until manifests are written. At half of it, manifests are drawn up before their partition is over.
 */
export const UNLISTED_MAX = 20_000;
/** Hexadecimal digits of the SHA-256 of a manifest in its key. */
const KEY_HASH_DIGITS = 32;

/** What a manifest says about one object; the last two only with a receipt of version 2. */
type ManifestEntry = Pick<Receipt, 'key' | 'count' | 'bytes' | 'objectBytes' | 'sha256' | 'etag'> &
  Partial<Pick<RoutedReceipt, 'bucket' | 'checksum'>>;

/** A manifest in the bucket: it lists objects of one destination and one lane. Each object is in one manifest. */
export interface Manifest {
  readonly v: typeof MANIFEST_VERSION;
  /** Absent: the default route. */
  readonly route?: string;
  /** The path of the destination. */
  readonly partition: string;
  readonly laneUid: string;
  readonly objectCount: number;
  readonly eventCount: number;
  readonly objects: readonly ManifestEntry[];
}

/**
 * The content of the manifest of these objects. It depends only on the receipts, and not on their order, so writing it
 * again changes nothing.
 */
export function manifestContent(
  { route, path, laneUid }: Destination & { readonly laneUid: string },
  receipts: readonly Receipt[],
): string {
  const objects = receipts.map(entryOf).sort((a, b) => (a.key < b.key ? -1 : 1));
  const manifest: Manifest = {
    v: MANIFEST_VERSION,
    ...(route === DEFAULT_ROUTE ? {} : { route }),
    partition: path,
    laneUid,
    objectCount: objects.length,
    eventCount: objects.reduce((sum, { count }) => sum + count, 0),
    objects,
  };
  return `${JSON.stringify(manifest)}\n`;
}

function entryOf(receipt: Receipt): ManifestEntry {
  const { key, count, bytes, objectBytes, sha256, etag } = receipt;
  const facts = { key, count, bytes, objectBytes, sha256, etag };
  if (receipt.v !== ROUTED_RECEIPT_VERSION) return facts;
  return { ...facts, bucket: receipt.bucket, checksum: receipt.checksum };
}

/** The name of the list of a destination's objects that wait for a manifest: its path alone where releases before routes read it. */
export function listOf(destination: Destination): string {
  return isPlain(destination) ? destination.path : `${destination.route}:${destination.path}`;
}

/** The reverse of listOf; null for any other text. */
export function destinationOfList(list: string): Destination | null {
  if (partitionSpan(list) !== null) return { route: DEFAULT_ROUTE, path: list };
  const [route = '', path = '', ...rest] = list.split(':');
  return rest.length === 0 && isRoute(route) && isSafePath(path) ? { route, path } : null;
}

/**
 * The key of a manifest with this SHA-256. Its name begins with an underscore, so that Athena, Hive and Spark do not
 * read it as data. Other content has another key, as with objects (ADR 3), so no manifest is ever overwritten.
 */
export function manifestKey(
  prefix: string,
  { path, laneUid }: Pick<Destination, 'path'> & { readonly laneUid: string },
  sha256: string,
): string {
  const name = [
    '_manifest',
    laneUid,
    sha256.slice(0, KEY_HASH_DIGITS), // rule: manifest.key-content
  ].join('-');
  return `${prefix}${path}/${name}.json`;
}

export interface ParsedManifestKey {
  readonly path: string;
  readonly laneUid: string;
}

const NAME = /^(.+)\/_manifest-([^-/]+)-([0-9a-f]{32})\.json$/;

/** The reverse of manifestKey; null for keys of other objects. */
export function parseManifestKey(prefix: string, key: string): ParsedManifestKey | null {
  const [, path = '', laneUid = ''] = (key.startsWith(prefix) && NAME.exec(key.slice(prefix.length))) || [];
  return isSafePath(path) ? { path, laneUid } : null;
}

import { keyBounds, type TimeRange } from './time-range.ts';

/** A part of a bucket's keys. */
export interface Listing {
  readonly prefix: string;
  /** Keys sort after this, and before `before`, by their bytes; '': open. */
  readonly after: string;
  readonly before: string;
}

/**
 * What has to be listed for these prefixes: none of a prefix that another listing has wholly, so that a bucket of many
 * routes is listed once.
 * @param isBounded whether the range of time bounds the keys below a prefix
 */
export function listingsOf(
  prefixes: Iterable<string>,
  range: TimeRange,
  isBounded: (prefix: string) => boolean,
): readonly Listing[] {
  const listings: Listing[] = [];
  for (const prefix of [...new Set(prefixes)].sort((a, b) => a.length - b.length)) {
    const isCovered = listings.some((one) => one.after === '' && one.before === '' && prefix.startsWith(one.prefix));
    if (!isCovered) listings.push({ prefix, ...keyBounds(prefix, isBounded(prefix) ? range : {}) });
  }
  return listings;
}

/** The one listing that counts an object, because with `a/` and `a/b/` both may have it. */
export function listingOf(listings: readonly Listing[], key: string): Listing | undefined {
  return listings.find(
    ({ prefix, after, before }) => key.startsWith(prefix) && key > after && (before === '' || key < before),
  );
}

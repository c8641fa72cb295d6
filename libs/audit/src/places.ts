import { type ObjectReader, ObjectStoreError } from '@sink/objects';

/** A bucket, or a directory, in which objects are looked at. */
export interface LookedAt {
  /** As `placeOf` of libs/objects names it. */
  readonly place: string;
  readonly reader: ObjectReader;
}

/** Opens the bucket that a receipt names; null: it cannot be reached with this configuration. */
export type OpenBucket = (bucket: string) => LookedAt | null;

/** Why another bucket cannot be audited, as a sentence; null: the error is not about its permissions or existence. */
export function whyUnreadable(error: unknown): string | null {
  return error instanceof ObjectStoreError && error.kind === 'operator' ? error.message : null;
}

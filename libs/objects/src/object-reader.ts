import type { Readable } from 'node:stream';

export interface ListedObject {
  readonly key: string;
  readonly objectBytes: number;
  /** With its quotes, as the store gives it; null where a listing knows none. */
  readonly etag: string | null;
  /** By the store's clock, Unix time in milliseconds. */
  readonly modifiedMs: number;
}

/** Looks at what stands in a bucket; for audits, which may do more than the sink itself. Throws ObjectStoreError. */
export interface ObjectReader {
  /**
   * A page of the objects whose keys begin with `prefix` and come after `after` in the order of their bytes; an empty one
   * at the end.
   */
  list(prefix: string, after: string, signal: AbortSignal): Promise<readonly ListedObject[]>;
  /** The object's bytes; null when there is none. The stream ends with an error when `signal` aborts. */
  get(key: string, signal: AbortSignal): Promise<Readable | null>;
  close(): void;
}

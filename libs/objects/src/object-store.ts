import type { Readable } from 'node:stream';

/** One object, wholly decided before it gets here: every attempt puts the same bytes under the same key. */
export interface ObjectToPut {
  /** Relative, `/` between its parts, no `.` or `..` among them. */
  readonly key: string;
  /** The object's bytes, or a function that opens them anew for each attempt. The store ends the stream it opened. */
  readonly body: Buffer | (() => Readable);
  /** Exactly the length of the body; at most 5 GB (the limit of a single S3 PUT). */
  readonly objectBytes: number;
  /** CRC-32 of the body as an unsigned number (`zlib.crc32`). */
  readonly crc32: number;
  readonly contentType: string;
  /** SHA-256 of the uncompressed content in hex: two objects with the same are the same. */
  readonly contentHash: string;
  readonly segmentId: string;
}

export interface ObjectPut {
  /** As the store gave it, with its quotes; empty where the object existed and we may not look at it. */
  readonly etag: string;
  /** The object was there already, with our content: an earlier attempt had come through. */
  readonly existed: boolean;
}

/** What stands under a key. */
export interface StoredObject {
  /** As the store gives it, with its quotes. */
  readonly etag: string;
  readonly objectBytes: number;
}

export interface ObjectStoreCheck {
  /** Where objects go, for people: `s3://bucket/prefix` or a directory. */
  readonly location: string;
  /** What works, but not as it should; one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Where objects go. Adapters throw ObjectStoreError and nothing else; no client type gets through here.
 *
 * Every call ends when its signal is aborted, and leaves nothing half-written that could be taken for an object.
 * Nothing is retried here: the caller decides by `error.kind`.
 */
export interface ObjectStore {
  /**
   * Puts the object; resolves when it is durable in the store. An object that exists is never overwritten with other
   * content (design section 4, invariant 3): with ours it is a success, with another one it is `key_taken`.
   */
  put(object: ObjectToPut, signal: AbortSignal): Promise<ObjectPut>;
  /**
   * Looks whether the content with this SHA-256 stands under the key. Needs more than `put` does: s3:GetObject.
   * @returns null when nothing stands there, or something else
   */
  find(key: string, contentHash: string, signal: AbortSignal): Promise<StoredObject | null>;
  /**
   * Tries the permission that `put` needs and no more. Leaves nothing behind (see each adapter for the one exception).
   */
  check(signal: AbortSignal): Promise<ObjectStoreCheck>;
  /** Closes connections. Idempotent; calls in flight should be aborted first. */
  close(): void;
}

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

import type { Readable } from 'node:stream';
import type { ObjectChecksum } from '@sink/domain';

/** One object. Key and bytes are fixed before, so every attempt puts the same bytes under the same key. */
export interface ObjectToPut {
  /** A relative path with `/` between its parts, and no part `.` or `..`. */
  readonly key: string;
  /**
   * The object's bytes, or a function that opens them again for each attempt. The store closes the stream that it
   * opened.
   */
  readonly body: Buffer | (() => Readable);
  /** Opens the bytes from `from` to before `to` of a body that is no Buffer; without it the object is never put in parts. */
  readonly range?: ((from: number, to: number) => Readable) | undefined;
  /** Exactly the length of the body; at most 5 GB (the limit of a single S3 PUT). */
  readonly objectBytes: number;
  /** CRC-32 of the body as an unsigned number (`zlib.crc32`). */
  readonly crc32: number;
  readonly contentType: string;
  /** SHA-256 of the uncompressed content, in hex. Objects with the same hash are the same. */
  readonly contentHash: string;
  readonly segmentId: string;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Beside the content's hash and the segment's id, which the store always keeps with the object. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Until when the store locks the object: Unix time in milliseconds, in the future. */
  readonly lockUntilMs?: number | undefined;
  /** If the object existed, the answer has `found`, with its checksum. */
  readonly describe?: boolean | undefined;
}

export interface ObjectPut {
  /** As the store returned it, with quotes; empty if the object existed and the credentials do not allow reading it. */
  readonly etag: string;
  /** The object existed already with the same content, from an earlier attempt. */
  readonly existed: boolean;
  /** What existed, if the object has `describe`; null: the credentials do not allow looking at it. */
  readonly found?: FoundObject | null;
}

/** The size of an object, and its checksum if the store has one. */
export interface FoundObject {
  readonly objectBytes: number;
  readonly checksum: ObjectChecksum | null;
}

/** An object in the store. */
export interface StoredObject {
  /** As the store returns it, with quotes. */
  readonly etag: string;
  readonly objectBytes: number;
  /** Absent: it was not asked for, or the store has none. */
  readonly checksum?: ObjectChecksum;
}

/**
 * The end of the key of what `check` puts, after the prefix of all keys. It is not an object with events: query engines skip
 * names that begin with an underscore, and `verify` passes it over.
 */
export const PROBE_NAME = '_sink-aws-s3-check';

export interface ObjectStoreCheck {
  /** Where objects are stored, for messages: `s3://bucket/prefix` or a directory. */
  readonly location: string;
  /** What works, but not as expected; one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * The store of objects. Adapters throw ObjectStoreError only, and expose no type of their client.
 *
 * Every call ends when its signal aborts, and never leaves a partial object. The store retries nothing; the caller
 * decides by `error.kind`.
 */
export interface ObjectStore {
  /**
   * Puts the object, and resolves when it is durable in the store. It never overwrites an existing object with other
   * content (docs/protocol.md, invariant 3): if the content is the same, it succeeds, otherwise it throws `key_taken`.
   */
  put(object: ObjectToPut, signal: AbortSignal): Promise<ObjectPut>;
  /**
   * Finds out whether the content with this SHA-256 is stored under the key. Needs a permission that `put` does not
   * need: s3:GetObject. Throws `unseen` without it; then there may be an object or not.
   * @param withChecksum asks for its checksum too
   * @returns null if there is no object, or another one
   */
  find(key: string, contentHash: string, signal: AbortSignal, withChecksum?: boolean): Promise<StoredObject | null>;
  /**
   * Checks the permission that `put` needs, and no other. `quick` leaves nothing in the store (see each adapter for the
   * exception). `thorough` also finds out what can only be seen by leaving a probe there.
   */
  check(signal: AbortSignal, how?: 'quick' | 'thorough'): Promise<ObjectStoreCheck>;
  /**
   * Removes parts that were put and never became an object. Absent: this kind of store has none.
   * @param which the parts of these keys that were begun before `beforeMs`
   * @returns how many uploads it aborted
   */
  abortAbandoned?(which: AbandonedParts, signal: AbortSignal): Promise<number>;
  /** Closes connections. Idempotent. Abort open calls first. */
  close(): void;
}

export interface AbandonedParts {
  readonly prefix: string;
  readonly isOurs: (key: string) => boolean;
  /** By the store's clock, Unix time in milliseconds. */
  readonly beforeMs: number;
}

export interface ListedObject {
  readonly key: string;
  readonly objectBytes: number;
  /** As the store returns it, with quotes; null if a listing has none. */
  readonly etag: string | null;
  /** By the store's clock, Unix time in milliseconds. */
  readonly modifiedMs: number;
}

/** Reads a bucket, for audits, which need more permissions than the sink itself. Throws ObjectStoreError. */
export interface ObjectReader {
  /**
   * A page of the objects whose keys begin with `prefix` and come after `after` in the order of their bytes. The page
   * after the last one is empty.
   */
  list(prefix: string, after: string, signal: AbortSignal): Promise<readonly ListedObject[]>;
  /** The object's bytes; null if there is no object. The stream fails when `signal` aborts. */
  get(key: string, signal: AbortSignal): Promise<Readable | null>;
  close(): void;
}

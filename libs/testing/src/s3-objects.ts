import { createHash } from 'node:crypto';

/** What a PUT contains. */
export interface S3Upload {
  readonly body: Buffer;
  readonly contentType: string;
  readonly contentEncoding: string | null;
  /** `x-amz-meta-*` without that prefix. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Base64, as `x-amz-checksum-crc32` carries it; null when the client sent none. */
  readonly crc32: string | null;
  readonly tags?: Readonly<Record<string, string>>;
  /** Absent: the object is not locked. */
  readonly lock?: { readonly mode: string; readonly untilMs: number };
}

/** An object as the fake stores it. */
export interface S3Object extends S3Upload {
  readonly key: string;
  /** With its quotes. */
  readonly etag: string;
  readonly sha256: string;
  readonly lastModifiedMs: number;
}

/** One PUT that took effect. `other_bytes`: it overwrote an object with other content, which the sink must never do. */
export interface S3Write {
  readonly key: string;
  readonly outcome: 'created' | 'same_bytes' | 'other_bytes';
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly atMs: number;
}

/** The objects of the fake's only bucket, in memory, and every write that took effect. */
export class S3Objects {
  readonly #objects = new Map<string, S3Object>();
  readonly #writes: S3Write[] = [];

  get(key: string): S3Object | undefined {
    return this.#objects.get(key);
  }

  has(key: string): boolean {
    return this.#objects.has(key);
  }

  /** All objects in the order of S3, which is that of the bytes of their keys. */
  list(): S3Object[] {
    return [...this.#objects.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  writes(): readonly S3Write[] {
    return this.#writes;
  }

  put(key: string, upload: S3Upload, atMs: number): S3Object {
    const before = this.#objects.get(key);
    const object = this.plant(key, upload, atMs);
    const { sha256, metadata } = object;
    const outcome = before === undefined ? 'created' : before.sha256 === sha256 ? 'same_bytes' : 'other_bytes';
    this.#writes.push({ key, outcome, sha256, sizeBytes: upload.body.length, metadata, atMs });
    return object;
  }

  /** Stores an object as another program would. It does not count as a write. */
  plant(key: string, upload: S3Upload, atMs: number): S3Object {
    const sha256 = createHash('sha256').update(upload.body).digest('hex');
    const etag = `"${createHash('md5').update(upload.body).digest('hex')}"`;
    const object = { ...upload, key, etag, sha256, lastModifiedMs: atMs };
    this.#objects.set(key, object);
    return object;
  }

  /** Deletes an object as another program would. */
  remove(key: string): void {
    this.#objects.delete(key);
  }

  clear(): void {
    this.#objects.clear();
    this.#writes.length = 0;
  }
}

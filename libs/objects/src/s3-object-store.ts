import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { BodyDamaged, BodyUnreadable, openBody } from './checked-body.ts';
import type { ObjectPut, ObjectStore, ObjectStoreCheck, ObjectToPut, StoredObject } from './object-store.ts';
import { abortedError, keyTaken, ObjectStoreError } from './object-store-error.ts';
import type { Failure } from './object-store-error.ts';
import { S3Connection } from './s3-client.ts';
import type { S3BucketSettings, S3ClientOptions } from './s3-client.ts';
import { describeS3Failure, statusOf } from './s3-failure.ts';

export interface S3StoreOptions {
  /**
   * `auto`: PUT only if no object has the key. `off`: for servers that refuse the condition; the key contains the hash.
   */
  readonly ifNoneMatch: 'auto' | 'off';
  /** The start of all keys; for `check` and for remedies only. */
  readonly prefix?: string | undefined;
  /** Ends an attempt without progress for so long; default 60 s. The caller sets the deadline of the whole attempt. */
  readonly idleTimeoutMs?: number | undefined;
  /** When credentials are read again; for tests. */
  readonly credentialsTimes?: S3ClientOptions['credentialsTimes'];
}

/** Not the key of an object with events. Query engines skip names that begin with an underscore. */
const probeName = '_sink-aws-s3-check';

/** Objects in a bucket of S3. Opens no connection until the first request. */
export class S3ObjectStore implements ObjectStore {
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #condition: { IfNoneMatch?: string };

  constructor(bucket: S3BucketSettings, options: S3StoreOptions) {
    this.#bucket = bucket.name;
    this.#condition = options.ifNoneMatch === 'off' ? {} : { IfNoneMatch: '*' };
    // Only the queue retries, because attempts would multiply.
    this.#connection = new S3Connection(bucket, options.prefix ?? '', { ...options, attemptsMax: 1 });
  }

  async put(object: ObjectToPut, signal: AbortSignal): Promise<ObjectPut> {
    const where = `putting object [bucket=${this.#bucket}, key=${object.key}]`;
    let etag: string | undefined;
    try {
      etag = await this.#putOnce(object, signal);
    } catch (error) {
      if (statusOf(error) === 412) return this.#compareExisting(object, signal, where, error);
      throw this.#failure(where, error, signal);
    }
    if (etag === undefined) {
      // A captive portal or a web server may answer 200 to any request. S3 always sends an ETag.
      const remedy = 'The server at `endpoint` does not seem to be an S3 server.';
      throw new ObjectStoreError(`${where}: success without an ETag`, {
        code: 'unexpected',
        kind: 'transient',
        remedy,
      });
    }
    return { etag, existed: false };
  }

  async #putOnce(object: ObjectToPut, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    const body = openBody(object);
    try {
      const command = new PutObjectCommand({
        Bucket: this.#bucket,
        Key: object.key,
        Body: body.content,
        ContentLength: object.objectBytes,
        ContentType: object.contentType,
        ChecksumCRC32: crc32Base64(object.crc32),
        Metadata: { 'content-sha256': object.contentHash, 'segment-id': object.segmentId },
        ...this.#condition,
      });
      const abortSignal = AbortSignal.any([signal, body.failed]);
      return (await this.#connection.client.send(command, { abortSignal })).ETag;
    } catch (error) {
      // The SDK then throws a plain AbortError, or the store's refusal of a partial body.
      throw body.failed.aborted ? body.failed.reason : error;
    } finally {
      body.close();
    }
  }

  /** The key is taken (412): by an earlier attempt of the sink, or by another program. */
  async #compareExisting(
    object: ObjectToPut,
    signal: AbortSignal,
    where: string,
    refusal: unknown,
  ): Promise<ObjectPut> {
    try {
      const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: object.key });
      const found = await this.#connection.client.send(command, { abortSignal: signal });
      if (found.Metadata?.['content-sha256'] === object.contentHash) return { etag: found.ETag ?? '', existed: true };
    } catch (error) {
      const status = statusOf(error);
      // Credentials that only allow PUT cannot read. The key contains the hash of the content, so the object is the
      // same.
      if (status === 403) return { etag: '', existed: true };
      if (status === 404)
        throw new ObjectStoreError(`${where}: the existing object was removed meanwhile`, vanished, error);
      throw this.#failure(`looking at existing object [bucket=${this.#bucket}, key=${object.key}]`, error, signal);
    }
    throw new ObjectStoreError(`${where}: another object has this key`, keyTaken, refusal);
  }

  async find(key: string, contentHash: string, signal: AbortSignal): Promise<StoredObject | null> {
    const where = `looking for object [bucket=${this.#bucket}, key=${key}]`;
    try {
      const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: key });
      const found = await this.#connection.client.send(command, { abortSignal: signal });
      if (found.Metadata?.['content-sha256'] !== contentHash) return null;
      return { etag: found.ETag ?? '', objectBytes: found.ContentLength ?? 0 };
    } catch (error) {
      // HEAD has no body: a missing bucket looks the same. The next PUT reports it.
      if (statusOf(error) === 404) return null;
      throw this.#failure(where, error, signal);
    }
  }

  /**
   * Puts a few bytes to `<prefix>_sink-aws-s3-check` with an intentionally wrong checksum: S3 first checks credentials,
   * permission and bucket, then refuses the body (BadDigest). This checks s3:PutObject, the only permission that the
   * sink needs, and stores nothing. A server that does not verify checksums stores the probe once (it is never
   * overwritten), and the check warns about it. The permission for a KMS key is not checked.
   */
  async check(signal: AbortSignal): Promise<ObjectStoreCheck> {
    const { bucket, prefix } = this.#connection.place;
    const key = `${prefix}${probeName}`;
    const location = `s3://${bucket}/${prefix}`;
    const body = Buffer.from('{}\n');
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: body,
      ContentLength: body.length,
      ContentType: 'text/plain',
      ChecksumCRC32: crc32Base64(0),
      ...this.#condition,
    });
    try {
      await this.#connection.client.send(command, { abortSignal: signal });
    } catch (error) {
      const failure = this.#connection.classify(error);
      if (failure.code === 'bad_digest') return { location, warnings: [] };
      if (statusOf(error) !== 412)
        throw this.#failure(`trying the bucket [bucket=${bucket}, key=${key}]`, error, signal);
    }
    const warning = `the store does not verify checksums: it does not notice damaged bytes (the probe ${key} remains in the bucket)`;
    return { location, warnings: [warning] };
  }

  close(): void {
    this.#connection.close();
  }

  #failure(where: string, error: unknown, signal: AbortSignal): ObjectStoreError {
    if (error instanceof BodyDamaged || error instanceof BodyUnreadable) {
      const code = error instanceof BodyDamaged ? 'body_damaged' : 'body_unreadable';
      return new ObjectStoreError(`${where}: ${error.message}`, { code, kind: 'damaged' }, error);
    }
    if (signal.aborted) return abortedError(where, signal);
    const failure = this.#connection.classify(error);
    return new ObjectStoreError(`${where}: ${describeS3Failure(error)}`, failure, error);
  }
}

const vanished: Failure = { code: 'vanished', kind: 'transient' };

/** The value of `x-amz-checksum-crc32`: four bytes, big-endian, in base64. */
function crc32Base64(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}

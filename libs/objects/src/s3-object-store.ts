import { HeadObjectCommand, type HeadObjectCommandOutput, PutObjectCommand } from '@aws-sdk/client-s3';
import { crc32Checksum } from '@sink/domain';
import { openBody } from './checked-body.ts';
import type {
  AbandonedParts,
  ObjectPut,
  ObjectStore,
  ObjectStoreCheck,
  ObjectToPut,
  StoredObject,
} from './object-store.ts';
import { keyTaken, ObjectStoreError } from './object-store-error.ts';
import type { Failure } from './object-store-error.ts';
import { algorithmOf, type ChecksumChoice, checksumMember, objectSums } from './s3-checksums.ts';
import { S3Check } from './s3-check.ts';
import type { S3BucketSettings, S3ClientOptions } from './s3-client.ts';
import { foundObject } from './s3-found-object.ts';
import { bucketHeaders, type PutSettings } from './put-settings.ts';
import { abortAbandoned, type PartsPorts, PartsNotTaken, putInParts } from './s3-parts.ts';
import { keptHeaders, md5Base64, withoutExpect } from './s3-put-headers.ts';
import { unseen } from './s3-remedies.ts';
import { type Extras, S3Requests } from './s3-requests.ts';
import { statusOf } from './s3-symptoms.ts';

/** `put` and `find` read the members of PutSettings at each use; the others are read once. */
export interface S3StoreOptions extends PutSettings {
  /**
   * `auto`: PUT only if no object has the key. `off`: for servers that refuse the condition; the key contains the hash.
   */
  readonly ifNoneMatch: 'auto' | 'off';
  /** Default `auto`. */
  readonly checksum?: ChecksumChoice | undefined;
  /** The start of all keys; for `check` and for remedies only. */
  readonly prefix?: string | undefined;
  /** The start of the keys of quarantine objects; for remedies only. */
  readonly quarantinePrefix?: string | undefined;
  /** Ends an attempt without progress for so long; default 60 s. The caller sets the deadline of the whole attempt. */
  readonly idleTimeoutMs?: number | undefined;
  /** When credentials are read again; for tests. */
  readonly credentialsTimes?: S3ClientOptions['credentialsTimes'];
}

/** Objects in a bucket of S3. Opens no connection until the first request. */
export class S3ObjectStore implements ObjectStore {
  readonly #requests: S3Requests;
  readonly #bucket: string;
  readonly #condition: { IfNoneMatch?: string };
  readonly #checksum: ChecksumChoice;
  readonly #settings: PutSettings;
  #takesParts = true;
  #hasPutParts = false;

  constructor(bucket: S3BucketSettings, options: S3StoreOptions) {
    this.#bucket = bucket.name;
    this.#condition = options.ifNoneMatch === 'off' ? {} : { IfNoneMatch: '*' };
    this.#checksum = options.checksum ?? 'auto';
    this.#settings = options;
    const { prefix = '', quarantinePrefix } = options;
    this.#requests = new S3Requests(bucket, { ...options, checksum: this.#checksum, prefix, quarantinePrefix });
  }

  async put(object: ObjectToPut, signal: AbortSignal): Promise<ObjectPut> {
    const where = `putting object [bucket=${this.#bucket}, key=${object.key}]`;
    let etag: string | undefined;
    try {
      etag = await this.#putAnyhow(object, where, signal);
    } catch (error) {
      if (statusOf(error) === 412) return this.#compareExisting(object, signal, where, error);
      throw this.#requests.failure(where, error, signal, { key: object.key });
    }
    if (etag === undefined) throw this.#requests.noEtag(where);
    return { etag, existed: false };
  }

  async #putAnyhow(object: ObjectToPut, where: string, signal: AbortSignal): Promise<string | undefined> {
    const inOnePart = () => this.#requests.withExtras((extras) => this.#putOnce(object, extras, signal));
    if (!this.#wantsParts(object)) return inOnePart();
    try {
      this.#hasPutParts = true;
      return await putInParts(this.#partsPorts(), object, algorithmOf(this.#checksum), signal);
    } catch (error) {
      if (statusOf(error) === 412) throw error;
      const { kind, code } = this.#requests.failure(where, error, signal, { key: object.key });
      const isRefused = kind === 'operator' || code === 'bad_digest' || error instanceof PartsNotTaken;
      if (!isRefused) throw error;
      // Not every store, nor every policy, allows parts. What is wrong with every PUT is the failure of this one.
      const etag = await inOnePart();
      this.#takesParts = false;
      return etag;
    }
  }

  #wantsParts({ objectBytes, body, range }: ObjectToPut): boolean {
    const { multipartAbove = Infinity } = this.#settings;
    if (objectBytes <= multipartAbove || !this.#takesParts || !(Buffer.isBuffer(body) || range)) return false;
    // Without a checksum, or with one that S3 has of parts only, nothing would compare the whole.
    return this.#requests.extras.checksum && this.#checksum !== 'sha256';
  }

  #partsPorts(): PartsPorts {
    return { requests: this.#requests, bucket: this.#bucket, settings: this.#settings, condition: this.#condition };
  }

  /** Looks only after this process has put parts: the permission to list them is not needed without. */
  async abortAbandoned(which: AbandonedParts, signal: AbortSignal): Promise<number> {
    if (!this.#hasPutParts) return 0;
    try {
      return await abortAbandoned(this.#partsPorts(), which, signal);
    } catch (error) {
      throw this.#requests.failure(`looking for abandoned uploads [bucket=${this.#bucket}]`, error, signal);
    }
  }

  async #putOnce(object: ObjectToPut, extras: Extras, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    const checksum = extras.checksum ? await this.#checksumOf(object, signal) : {};
    const md5 = object.lockUntilMs === undefined || extras.checksum ? null : await md5Base64(object, signal);
    const body = openBody(object);
    try {
      const command = new PutObjectCommand({
        Bucket: this.#bucket,
        Key: object.key,
        Body: body.content,
        ContentLength: object.objectBytes,
        ...checksum,
        ...keptHeaders(object, this.#settings),
        // S3 wants a checksum with a lock, and some stores its name too.
        ...(object.lockUntilMs !== undefined && extras.checksum && { ChecksumAlgorithm: algorithmOf(this.#checksum) }),
        ...(md5 === null ? {} : { ContentMD5: md5 }),
        ...bucketHeaders(this.#settings),
        ...this.#condition,
      });
      if (!extras.expect) withoutExpect(command);
      const abortSignal = AbortSignal.any([signal, body.failed]);
      return (await this.#requests.client.send(command, { abortSignal })).ETag;
    } catch (error) {
      // The SDK then throws a plain AbortError, or the store's refusal of a partial body.
      throw body.failed.aborted ? body.failed.reason : error;
    } finally {
      body.close();
    }
  }

  /** The batcher computed the CRC-32 while it wrote the file. For another checksum the file is read. */
  async #checksumOf(object: ObjectToPut, signal: AbortSignal): Promise<ReturnType<typeof checksumMember>> {
    const algorithm = algorithmOf(this.#checksum);
    const value =
      algorithm === 'CRC32' ? crc32Checksum(object.crc32).value : (await objectSums(object, algorithm, signal)).whole;
    return checksumMember(algorithm, value);
  }

  /** The key is taken (412): by an earlier attempt of the sink, or by another program. */
  async #compareExisting(
    object: ObjectToPut,
    signal: AbortSignal,
    where: string,
    refusal: unknown,
  ): Promise<ObjectPut> {
    const { describe = false } = object;
    try {
      const found = await this.#head(object.key, describe, signal);
      if (found.Metadata?.['content-sha256'] === object.contentHash) {
        const put = { etag: found.ETag ?? '', existed: true };
        return describe ? { ...put, found: foundObject(found) } : put;
      }
    } catch (error) {
      const status = statusOf(error);
      // Credentials that only allow PUT cannot read. The key contains the hash of the content, so the object is the
      // same.
      if (status === 403) return { etag: '', existed: true, ...(describe ? { found: null } : {}) };
      if (status === 404)
        throw new ObjectStoreError(`${where}: the existing object was removed meanwhile`, vanished, error);
      const looking = `looking at existing object [bucket=${this.#bucket}, key=${object.key}]`;
      throw this.#requests.failure(looking, error, signal, { head: true, key: object.key });
    }
    throw new ObjectStoreError(`${where}: another object has this key`, keyTaken, refusal);
  }

  /**
   * With an object that a KMS key encrypts, the checksum needs a further permission (kms:Decrypt): without it, the answer is
   * the one without checksum.
   */
  async #head(key: string, withChecksum: boolean, signal: AbortSignal): Promise<HeadObjectCommandOutput> {
    const look = (mode: { ChecksumMode?: 'ENABLED' }): Promise<HeadObjectCommandOutput> =>
      this.#requests.client.send(
        new HeadObjectCommand({ Bucket: this.#bucket, Key: key, ...mode, ...bucketHeaders(this.#settings) }),
        {
          abortSignal: signal,
        },
      );
    if (!withChecksum) return look({});
    return look({ ChecksumMode: 'ENABLED' }).catch((error: unknown) => {
      if (statusOf(error) === 403) return look({});
      throw error;
    });
  }

  async find(
    key: string,
    contentHash: string,
    signal: AbortSignal,
    withChecksum = false,
  ): Promise<StoredObject | null> {
    const where = `looking for object [bucket=${this.#bucket}, key=${key}]`;
    try {
      const found = await this.#head(key, withChecksum, signal);
      if (found.Metadata?.['content-sha256'] !== contentHash) return null;
      const { objectBytes, checksum } = foundObject(found);
      return { etag: found.ETag ?? '', objectBytes, ...(checksum === null ? {} : { checksum }) };
    } catch (error) {
      // HEAD has no body: a missing bucket looks the same. The next PUT reports it.
      if (statusOf(error) === 404) return null;
      const failure = this.#requests.failure(where, error, signal, { head: true, key });
      if (failure.code !== 'access_denied') throw failure;
      throw new ObjectStoreError(
        failure.message,
        unseen(this.#requests.connection.placeOfPrefix(this.#requests.prefixOf(key))),
        error,
      );
    }
  }

  check(signal: AbortSignal, how: 'quick' | 'thorough' = 'quick'): Promise<ObjectStoreCheck> {
    return new S3Check(this.#requests, this.#condition, this.#settings, this.#checksum !== 'off').run(signal, how);
  }

  close(): void {
    this.#requests.connection.close();
  }
}

const vanished: Failure = { code: 'vanished', kind: 'transient' };

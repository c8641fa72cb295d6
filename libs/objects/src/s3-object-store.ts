import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { HeadObjectCommand, type HeadObjectCommandOutput, PutObjectCommand } from '@aws-sdk/client-s3';
import { crc32Checksum, type ObjectChecksum } from '@sink/domain';
import { BodyDamaged, BodyUnreadable, openBody } from './checked-body.ts';
import { PROBE_NAME } from './object-store.ts';
import type {
  FoundObject,
  ObjectPut,
  ObjectStore,
  ObjectStoreCheck,
  ObjectToPut,
  StoredObject,
} from './object-store.ts';
import { abortedError, keyTaken, ObjectStoreError } from './object-store-error.ts';
import type { Failure } from './object-store-error.ts';
import { S3Connection } from './s3-client.ts';
import type { S3BucketSettings, S3ClientOptions } from './s3-client.ts';
import { refusesChecksumHeader } from './s3-failure.ts';
import { noS3Remedy, unseen } from './s3-remedies.ts';
import { describeS3Failure, statusOf } from './s3-symptoms.ts';

export interface S3StoreOptions {
  /**
   * `auto`: PUT only if no object has the key. `off`: for servers that refuse the condition; the key contains the hash.
   */
  readonly ifNoneMatch: 'auto' | 'off';
  /** `auto`, the default: with a CRC-32 until the store refuses that header; `crc32`: always; `off`: never. */
  readonly checksum?: 'auto' | 'off' | 'crc32' | undefined;
  /** The start of all keys; for `check` and for remedies only. */
  readonly prefix?: string | undefined;
  /** The start of the keys of quarantine objects; for remedies only. */
  readonly quarantinePrefix?: string | undefined;
  /** How `lockUntilMs` locks; default GOVERNANCE, which users with a permission of its own can end. */
  readonly objectLockMode?: 'GOVERNANCE' | 'COMPLIANCE' | undefined;
  /** Ends an attempt without progress for so long; default 60 s. The caller sets the deadline of the whole attempt. */
  readonly idleTimeoutMs?: number | undefined;
  /** When credentials are read again; for tests. */
  readonly credentialsTimes?: S3ClientOptions['credentialsTimes'];
}

/** What a PUT does without when a store refuses it. */
interface Extras {
  /** `Expect: 100-continue`, which the SDK sends with a large body. */
  readonly expect: boolean;
  /** `x-amz-checksum-crc32`. */
  readonly checksum: boolean;
}

/** Objects in a bucket of S3. Opens no connection until the first request. */
export class S3ObjectStore implements ObjectStore {
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #condition: { IfNoneMatch?: string };
  readonly #checksum: 'auto' | 'off' | 'crc32';
  readonly #lockMode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly #quarantinePrefix: string | undefined;
  #extras: Extras;

  constructor(bucket: S3BucketSettings, options: S3StoreOptions) {
    this.#bucket = bucket.name;
    this.#condition = options.ifNoneMatch === 'off' ? {} : { IfNoneMatch: '*' };
    this.#checksum = options.checksum ?? 'auto';
    this.#lockMode = options.objectLockMode ?? 'GOVERNANCE';
    this.#quarantinePrefix = options.quarantinePrefix;
    this.#extras = { expect: true, checksum: this.#checksum !== 'off' };
    // Only the queue retries, because attempts would multiply.
    this.#connection = new S3Connection(bucket, options.prefix ?? '', { ...options, attemptsMax: 1 });
  }

  async put(object: ObjectToPut, signal: AbortSignal): Promise<ObjectPut> {
    const where = `putting object [bucket=${this.#bucket}, key=${object.key}]`;
    let etag: string | undefined;
    try {
      etag = await this.#withExtras((extras) => this.#putOnce(object, extras, signal));
    } catch (error) {
      if (statusOf(error) === 412) return this.#compareExisting(object, signal, where, error);
      throw this.#failure(where, error, signal, { key: object.key });
    }
    if (etag === undefined) throw this.#noEtag(where);
    return { etag, existed: false };
  }

  /**
   * Tries a PUT. If the store refuses what a PUT can do without, this and all further ones do without it: `Expect` (417), and
   * with `checksum: auto` the checksum.
   */
  async #withExtras<T>(attempt: (extras: Extras) => Promise<T>): Promise<T> {
    let extras = this.#extras;
    for (;;) {
      try {
        return await attempt(extras);
      } catch (error) {
        const refused = this.#refusedExtra(error, extras);
        if (refused === null) throw error;
        extras = { ...extras, [refused]: false };
        this.#extras = { ...this.#extras, [refused]: false };
      }
    }
  }

  #refusedExtra(error: unknown, { expect, checksum }: Extras): keyof Extras | null {
    if (expect && statusOf(error) === 417) return 'expect';
    return checksum && this.#checksum === 'auto' && refusesChecksumHeader(error) ? 'checksum' : null;
  }

  async #putOnce(object: ObjectToPut, extras: Extras, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    const md5 = object.lockUntilMs === undefined || extras.checksum ? null : await md5Base64(object, signal);
    const body = openBody(object);
    try {
      const command = new PutObjectCommand({
        Bucket: this.#bucket,
        Key: object.key,
        Body: body.content,
        ContentLength: object.objectBytes,
        ContentType: object.contentType,
        ...(extras.checksum ? { ChecksumCRC32: crc32Checksum(object.crc32).value } : {}),
        Metadata: { ...object.metadata, 'content-sha256': object.contentHash, 'segment-id': object.segmentId },
        ...(object.tags === undefined ? {} : { Tagging: taggingOf(object.tags) }),
        ...this.#lockOf(object),
        // S3 wants a checksum with a lock.
        ...(md5 === null ? {} : { ContentMD5: md5 }),
        ...this.#condition,
      });
      if (!extras.expect) withoutExpect(command);
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
      throw this.#failure(looking, error, signal, { head: true, key: object.key });
    }
    throw new ObjectStoreError(`${where}: another object has this key`, keyTaken, refusal);
  }

  /**
   * With an object that a KMS key encrypts, the checksum needs a further permission (kms:Decrypt): without it, the answer is
   * the one without checksum.
   */
  async #head(key: string, withChecksum: boolean, signal: AbortSignal): Promise<HeadObjectCommandOutput> {
    const look = (mode: { ChecksumMode?: 'ENABLED' }): Promise<HeadObjectCommandOutput> =>
      this.#connection.client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key, ...mode }), {
        abortSignal: signal,
      });
    if (!withChecksum) return look({});
    return look({ ChecksumMode: 'ENABLED' }).catch((error: unknown) => {
      if (statusOf(error) === 403) return look({});
      throw error;
    });
  }

  #lockOf({ lockUntilMs }: ObjectToPut): {
    ObjectLockMode?: 'GOVERNANCE' | 'COMPLIANCE';
    ObjectLockRetainUntilDate?: Date;
  } {
    if (lockUntilMs === undefined) return {};
    return { ObjectLockMode: this.#lockMode, ObjectLockRetainUntilDate: new Date(lockUntilMs) };
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
      const failure = this.#failure(where, error, signal, { head: true, key });
      if (failure.code !== 'access_denied') throw failure;
      throw new ObjectStoreError(failure.message, unseen(this.#connection.placeOfPrefix(this.#prefixOf(key))), error);
    }
  }

  /**
   * Puts a few bytes to `<prefix>_sink-aws-s3-check` with an intentionally wrong checksum: S3 first checks credentials,
   * permission and bucket, then refuses the body (BadDigest). This checks s3:PutObject, the only permission that the
   * sink needs, and stores nothing. A server that does not verify checksums keeps the probe, and the check warns about
   * it. The permission for a KMS key is not checked.
   *
   * `thorough` also stores the probe, with the right checksum, and puts it again to see whether the store refuses that.
   */
  async check(signal: AbortSignal, how: 'quick' | 'thorough' = 'quick'): Promise<ObjectStoreCheck> {
    const { bucket, prefix } = this.#connection.place;
    const warnings: string[] = [];
    if (!(await this.#verifiesChecksums(signal))) {
      const probe = `the probe ${prefix}${PROBE_NAME} remains in the bucket`;
      warnings.push(`the store does not verify checksums: it does not notice damaged bytes (${probe})`);
    }
    if (this.#checksum !== 'off' && !this.#extras.checksum) {
      warnings.push(
        'the store does not accept `x-amz-checksum-crc32`, so objects are put without it, as with `checksum: off`',
      );
    }
    if (how === 'thorough' && this.#condition.IfNoneMatch !== undefined && !(await this.#refusesOverwriting(signal))) {
      warnings.push(
        'the store ignores `If-None-Match: *`: it would overwrite an object. Keys contain a hash of the content, so the sink writes the same again at most; `if_none_match: off` says so',
      );
    }
    return { location: `s3://${bucket}/${prefix}`, warnings };
  }

  async #verifiesChecksums(signal: AbortSignal): Promise<boolean> {
    const outcome = await this.#probe({ damaged: true, condition: this.#condition }, signal);
    if (outcome !== 'exists') return outcome === 'refused';
    // The store has a probe, and may look at the condition first. What it says without one is not about permissions.
    const unconditional = this.#probe({ damaged: true, condition: {} }, signal);
    return unconditional.then(
      (again) => again === 'refused',
      (error: unknown) => {
        if (signal.aborted) throw error;
        return true;
      },
    );
  }

  async #refusesOverwriting(signal: AbortSignal): Promise<boolean> {
    for (let puts = 0; puts < 2; puts++) {
      if ((await this.#probe({ damaged: false, condition: this.#condition }, signal)) === 'exists') return true;
    }
    return false;
  }

  async #probe(
    { damaged, condition }: { damaged: boolean; condition: { IfNoneMatch?: string } },
    signal: AbortSignal,
  ): Promise<'stored' | 'exists' | 'refused'> {
    const { bucket, prefix } = this.#connection.place;
    const where = `trying the bucket [bucket=${bucket}, key=${prefix}${PROBE_NAME}]`;
    const body = Buffer.from('{}\n');
    let etag: string | undefined;
    try {
      etag = await this.#withExtras(async ({ checksum }) => {
        const command = new PutObjectCommand({
          Bucket: bucket,
          Key: `${prefix}${PROBE_NAME}`,
          Body: body,
          ContentLength: body.length,
          ContentType: 'text/plain',
          ...(checksum ? { ChecksumCRC32: crc32Checksum(damaged ? 0 : crc32(body)).value } : {}),
          // Older than all other checksums, and known to every store.
          ...(damaged && !checksum ? { ContentMD5: Buffer.alloc(16).toString('base64') } : {}),
          ...condition,
        });
        return (await this.#connection.client.send(command, { abortSignal: signal })).ETag;
      });
    } catch (error) {
      if (statusOf(error) === 412) return 'exists';
      const failure = this.#failure(where, error, signal);
      if (failure.code === 'bad_digest' && damaged) return 'refused';
      throw failure;
    }
    if (etag === undefined) throw this.#noEtag(where);
    return 'stored';
  }

  close(): void {
    this.#connection.close();
  }

  /** A captive portal or a web server may answer 200 to any request. S3 always sends an ETag. */
  #noEtag(where: string): ObjectStoreError {
    const remedy = noS3Remedy(this.#connection.place);
    return new ObjectStoreError(`${where}: success without an ETag`, { code: 'unexpected', kind: 'transient', remedy });
  }

  /** The start of the keys of objects like this one: the longer of those that fit. */
  #prefixOf(key: string | undefined): string {
    const { prefix } = this.#connection.place;
    const other = this.#quarantinePrefix;
    if (other === undefined || key?.startsWith(other) !== true) return prefix;
    return key.startsWith(prefix) && prefix.length > other.length ? prefix : other;
  }

  #failure(
    where: string,
    error: unknown,
    signal: AbortSignal,
    { head = false, key }: { readonly head?: boolean; readonly key?: string } = {},
  ): ObjectStoreError {
    if (error instanceof BodyDamaged || error instanceof BodyUnreadable) {
      const code = error instanceof BodyDamaged ? 'body_damaged' : 'body_unreadable';
      return new ObjectStoreError(`${where}: ${error.message}`, { code, kind: 'damaged' }, error);
    }
    if (signal.aborted) return abortedError(where, signal);
    const failure = this.#connection.classify(error, head, this.#prefixOf(key));
    return new ObjectStoreError(`${where}: ${describeS3Failure(error, head)}`, failure, error);
  }
}

const vanished: Failure = { code: 'vanished', kind: 'transient' };

/** Takes back the header that the SDK sets. It is not part of the signature. */
function withoutExpect(command: PutObjectCommand): void {
  command.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (typeof request === 'object' && request !== null && 'headers' in request) {
        delete (request.headers as Record<string, string>)['Expect'];
      }
      return next(args);
    },
    { step: 'finalizeRequest', name: 'withoutExpect' },
  );
}

function foundObject(found: HeadObjectCommandOutput): FoundObject {
  return { objectBytes: found.ContentLength ?? 0, checksum: checksumOf(found) };
}

/** The checksum of all bytes of an object; some stores have one of the checksums of its parts instead. */
function checksumOf(found: HeadObjectCommandOutput): ObjectChecksum | null {
  if (found.ChecksumType === 'COMPOSITE') return null;
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA256', 'SHA1'] as const) {
    const value = found[`Checksum${algorithm}`];
    if (value !== undefined) return { algorithm, value };
  }
  return null;
}

/** The value of `x-amz-tagging`. */
function taggingOf(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&');
}

async function md5Base64({ body }: ObjectToPut, signal: AbortSignal): Promise<string> {
  const hash = createHash('md5');
  if (Buffer.isBuffer(body)) hash.update(body);
  else {
    await pipeline(body(), hash, { signal }).catch((cause: unknown) => {
      throw new BodyUnreadable('the body cannot be read', { cause });
    });
  }
  return hash.digest('base64');
}

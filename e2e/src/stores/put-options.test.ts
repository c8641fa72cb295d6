import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import {
  CreateBucketCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { createObjectStore, ObjectStoreError, type ObjectStore, type ObjectToPut } from '@sink/objects';
import { eventually, type ManagedProcess } from '@sink/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ACCESS, KMS_KEY, REAL_SERVERS, type RealServer } from './real-servers.ts';

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;
const noAbort = new AbortController().signal;
type Options = Parameters<typeof createObjectStore>[1];

function anObject(key: string, bytes: number): ObjectToPut {
  const body = Buffer.alloc(bytes, `{"id":"${key}","data":"of some length"}\n`);
  const range = (from: number, to: number): Readable => Readable.from([body.subarray(from, to)]);
  return {
    ...{ key, objectBytes: body.length, crc32: crc32(body), contentType: 'application/x-ndjson', segmentId: 's-1' },
    ...{ contentHash: createHash('sha256').update(body).digest('hex'), body: () => range(0, body.length), range },
  };
}

for (const server of REAL_SERVERS) {
  if (server.command === null) {
    test.skip(`${server.name} is not on this machine: ${server.get}`, () => undefined);
  } else {
    describe(`options of a PUT on ${server.name}`, { timeout: 120_000 }, () => optionsOn(server));
  }
}

function optionsOn(server: RealServer): void {
  const { knows, name } = server;
  let running: ManagedProcess | undefined;
  let client: S3Client;
  let endpoint: string;
  const stores: ObjectStore[] = [];

  beforeAll(async () => {
    ({ endpoint, process: running } = await server.start());
    client = new S3Client({ endpoint, region: 'us-east-1', credentials: ACCESS, forcePathStyle: true });
    const create = new CreateBucketCommand({ Bucket: 'events', ObjectOwnership: 'BucketOwnerPreferred' });
    // It answers before it is ready.
    await eventually(() => client.send(create), { timeoutMs: 60_000 });
    if (knows.lock) {
      await client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }));
    }
  }, 120_000);
  afterAll(async () => {
    for (const store of stores) store.close();
    client.destroy();
    await running?.kill();
  });

  function connect(options: Partial<Options>, bucket = 'events'): ObjectStore {
    const settings = { kind: 's3', name: bucket, endpoint, forcePathStyle: true, credentials: ACCESS } as const;
    const store = createObjectStore(settings, { ifNoneMatch: 'auto', ...options });
    stores.push(store);
    return store;
  }

  const head = (key: string, bucket = 'events') =>
    client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }));

  /** Of HEAD, which some servers leave out, and others say it in XML that the SDK does not read. */
  async function lockOf(key: string): Promise<readonly unknown[]> {
    const { ObjectLockMode, ObjectLockRetainUntilDate } = await head(key, 'locked');
    if (ObjectLockMode !== undefined) return [ObjectLockMode, ObjectLockRetainUntilDate?.getTime()];
    const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket: 'locked', Key: key }));
    return [Retention?.Mode, Retention?.RetainUntilDate?.getTime()];
  }

  async function isStored(object: ObjectToPut, bucket = 'events'): Promise<void> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: object.key }));
    const bytes = await Body?.transformToByteArray();
    expect(
      createHash('sha256')
        .update(bytes ?? '')
        .digest('hex'),
    ).toBe(object.contentHash);
  }

  test('tags, metadata, cache control, and the object again is the same object', async () => {
    const object = { ...anObject('kept', 1000), tags: { team: 'a b', 'x/y': '' }, metadata: { origin: 'sink' } };
    const store = connect({ cacheControl: 'max-age=60', requesterPays: true });
    expect(await store.put(object, noAbort)).toMatchObject({ existed: false });
    expect(await store.put(object, noAbort)).toMatchObject({ existed: true });
    const found = await head('kept');
    expect(found.Metadata).toMatchObject({ origin: 'sink', 'content-sha256': object.contentHash });
    expect(found.CacheControl).toBe('max-age=60');
    const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket: 'events', Key: 'kept' }));
    expect(Object.fromEntries((TagSet ?? []).map(({ Key, Value }) => [Key, Value]))).toEqual(object.tags);
    await isStored(object);
  });

  test.each([...knows.checksums, 'auto', 'off'] as const)('checksum: %s', async (checksum) => {
    const object = anObject(`sum-${checksum}`, 1000);
    await connect({ checksum }).put(object, noAbort);
    const found = await head(object.key);
    const algorithm = checksum === 'auto' ? 'CRC32' : (checksum.toUpperCase() as 'CRC32');
    if (checksum !== 'off' && knows.checksums.length > 0) expect(found[`Checksum${algorithm}`]).toBeTruthy();
    await isStored(object);
  });

  test('a large object', async () => {
    const object = { ...anObject('large', 17 * MIB), tags: { team: 'x' }, describe: true };
    const store = connect({ multipartAbove: 6 * MIB });
    const { etag } = await store.put(object, noAbort);
    expect(await store.put(object, noAbort)).toMatchObject({ existed: true, found: { objectBytes: 17 * MIB } });
    const found = await head('large');
    console.log(`${name}: ${etag}, ${found.ChecksumType ?? 'no type'}, ${found.ChecksumCRC32 ?? 'no CRC32'}`);
    if (knows.fullObject) {
      expect(etag).toMatch(/-3"$/);
      const own = Buffer.alloc(4);
      own.writeUInt32BE(object.crc32);
      expect(found.ChecksumCRC32).toBe(own.toString('base64'));
    }
    await isStored(object);
  });

  test.runIf(knows.fullObject).each(['crc32c', 'crc64nvme'] as const)('a large object with %s', async (checksum) => {
    const object = anObject(`large-${checksum}`, 17 * MIB);
    const { etag } = await connect({ multipartAbove: 6 * MIB, checksum }).put(object, noAbort);
    const found = await head(object.key);
    console.log(`${name}: ${checksum} ${etag}, ${found.ChecksumType ?? 'no type'}`);
    expect(etag).toMatch(/-3"$/);
    await isStored(object);
  });

  test.runIf(knows.sse)('sse: AES256', async () => {
    for (const bytes of [1000, 7 * MIB]) {
      const object = anObject(`sse-${bytes}`, bytes);
      await connect({ sse: 'AES256', multipartAbove: 6 * MIB }).put(object, noAbort);
      expect((await head(object.key)).ServerSideEncryption).toBe('AES256');
      await isStored(object);
    }
  });

  test.runIf(knows.kms)('sse: aws:kms', async () => {
    for (const bytes of [1000, 7 * MIB]) {
      const object = anObject(`kms-${bytes}`, bytes);
      await connect({ sse: 'aws:kms', sseKmsKeyId: KMS_KEY, multipartAbove: 6 * MIB }).put(object, noAbort);
      const found = await head(object.key);
      expect(found).toMatchObject({ ServerSideEncryption: 'aws:kms' });
      expect(found.SSEKMSKeyId).toContain(KMS_KEY);
      await isStored(object);
    }
  });

  test.runIf(knows.kms && name === 'MinIO')('a KMS key that does not exist is a matter for an operator', async () => {
    const store = connect({ sse: 'aws:kms', sseKmsKeyId: 'no-such-key' });
    const error: unknown = await store.put(anObject('no-key', 1000), noAbort).catch((thrown: unknown) => thrown);
    if (!(error instanceof ObjectStoreError)) throw new Error('it was stored');
    console.log(`${name}: ${error.code}: ${error.message}: ${error.remedy ?? ''}`);
    expect(error).toMatchObject({ code: 'encryption_key', kind: 'operator' });
  });

  test.runIf(knows.storageClass !== null)('storage_class', async () => {
    const { storageClass } = knows;
    await connect({ storageClass }).put(anObject('class', 1000), noAbort);
    const { StorageClass } = await head('class');
    expect(StorageClass ?? 'STANDARD').toBe(storageClass);
  });

  test.runIf(knows.acl)('acl', async () => {
    await connect({ acl: 'bucket-owner-full-control' }).put(anObject('acl', 1000), noAbort);
    await isStored(anObject('acl', 1000));
  });

  test.runIf(knows.lock)('object_lock_mode and object_lock_for', async () => {
    const lockUntilMs = Math.floor(Date.now() / 1000) * 1000 + DAY_MS;
    const modes = ['GOVERNANCE', 'COMPLIANCE'] as const;
    for (const objectLockMode of modes) {
      for (const bytes of [1000, 7 * MIB]) {
        const object = { ...anObject(`lock-${objectLockMode}-${bytes}`, bytes), lockUntilMs };
        await connect({ objectLockMode, multipartAbove: 6 * MIB }, 'locked').put(object, noAbort);
        expect(await lockOf(object.key)).toEqual([objectLockMode, lockUntilMs]);
      }
    }
  });

  test('what was abandoned is listed and aborted', async () => {
    const store = connect({ multipartAbove: 6 * MIB });
    await store.put(anObject('listing', 7 * MIB), noAbort);
    const which = { prefix: 'list', isOurs: () => true, beforeMs: 0 };
    expect(await store.abortAbandoned?.(which, noAbort)).toBe(0);
  });
}

import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { crc32Checksum } from '@sink/domain';
import { startS3 } from '@sink/testing';
import type { FakeS3, S3Options } from '@sink/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { anObject, failureOf, noAbort, objectStoreConformance } from './object-store.conformance.ts';
import type { S3BucketSettings } from './s3-client.ts';
import type { S3StoreOptions } from './s3-object-store.ts';

const keys = { bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret/+=' };

function bucketOf(s3: FakeS3, changed: Partial<S3BucketSettings> = {}): S3BucketSettings {
  const { accessKeyId, secretAccessKey } = s3;
  const credentials = { accessKeyId, secretAccessKey };
  return { kind: 's3', name: s3.bucket, endpoint: s3.url, forcePathStyle: true, credentials, ...changed };
}

objectStoreConformance('S3', async () => {
  const s3 = await startS3(keys);
  return {
    store: createObjectStore(bucketOf(s3), { ifNoneMatch: 'auto', prefix: 'logs/' }),
    read: (key) => Promise.resolve(s3.object(key)?.body ?? null),
    keys: () => Promise.resolve(s3.objects().map(({ key }) => key)),
    plant: (key, body) => Promise.resolve(s3.plant(key, body)),
    close: () => s3.stop(),
  };
});

describe('S3', () => {
  let s3: FakeS3;
  let store: ObjectStore;
  const object = anObject('{"id":"1"}\n');
  const others: { stop(): Promise<void> }[] = [];

  function connect(options: Partial<S3StoreOptions> = {}, bucket: Partial<S3BucketSettings> = {}): ObjectStore {
    return createObjectStore(bucketOf(s3, bucket), { ifNoneMatch: 'auto', prefix: 'logs/', ...options });
  }

  async function another(options: Partial<S3Options>): Promise<FakeS3> {
    const started = await startS3({ ...keys, ...options });
    others.push(started);
    return started;
  }

  beforeEach(async () => {
    s3 = await startS3(keys);
    store = connect();
  });
  afterEach(async () => {
    store.close();
    await s3.stop();
    for (const other of others.splice(0)) await other.stop();
  });

  it('sends a plain body with its length, checksum, condition and metadata', async () => {
    const stream = { ...object, body: () => Readable.from([Buffer.from('{"id":'), Buffer.from('"1"}\n')]) };
    await store.put(stream, noAbort);
    const headers = s3.requests()[0]?.headers ?? {};
    expect(headers).toMatchObject({
      'content-length': '11',
      'if-none-match': '*',
      'content-type': 'application/x-ndjson',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    });
    expect(headers['content-encoding']).toBeUndefined();
    expect(headers['transfer-encoding']).toBeUndefined();
    expect(s3.object(object.key)).toMatchObject({
      crc32: headers['x-amz-checksum-crc32'],
      metadata: { 'content-sha256': object.contentHash, 'segment-id': 'segment-1' },
      contentEncoding: null,
    });
    expect(s3.requests()).toHaveLength(1);
  });

  it('sends tags, metadata and a lock, and a checksum with the lock', async () => {
    const locked = await another({ objectLock: true });
    const lockUntilMs = Date.now() + 86_400_000;
    const more = { tags: { team: 'a b/ü', empty: '' }, metadata: { tenant: 'x', 'content-sha256': 'not this' } };
    const inLocked = createObjectStore(bucketOf(locked), { ifNoneMatch: 'auto' });
    expect(await inLocked.put({ ...object, ...more, lockUntilMs }, noAbort)).toMatchObject({ existed: false });
    const headers = locked.requests()[0]?.headers ?? {};
    expect(headers).toMatchObject({
      'x-amz-tagging': 'team=a%20b%2F%C3%BC&empty=',
      'x-amz-meta-tenant': 'x',
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': new Date(lockUntilMs).toISOString(),
      'x-amz-sdk-checksum-algorithm': 'CRC32',
    });
    expect(headers['content-md5']).toBeUndefined();
    expect(locked.object(object.key)).toMatchObject({
      tags: more.tags,
      lock: { mode: 'GOVERNANCE', untilMs: lockUntilMs },
      metadata: { tenant: 'x', 'content-sha256': object.contentHash, 'segment-id': 'segment-1' },
    });
    inLocked.close();
  });

  it.each([
    ['a buffer', object.body],
    ['a stream', () => Readable.from([Buffer.from('{"id":'), Buffer.from('"1"}\n')])],
  ])('without a checksum, %s that is locked has its MD5', async (_, body) => {
    const locked = await another({ objectLock: true });
    const options = { ifNoneMatch: 'auto', checksum: 'off', objectLockMode: 'COMPLIANCE' } as const;
    const unchecked = createObjectStore(bucketOf(locked), options);
    await unchecked.put({ ...object, body, lockUntilMs: Date.now() + 60_000 }, noAbort);
    expect(locked.requests()[0]?.headers).toHaveProperty('content-md5');
    expect(locked.object(object.key)?.lock?.mode).toBe('COMPLIANCE');
    unchecked.close();
  });

  it('a bucket that has no locks refuses one, and the failure says so', async () => {
    const error = await failureOf(store.put({ ...object, lockUntilMs: Date.now() + 60_000 }, noAbort));
    expect(error).toMatchObject({ kind: 'operator' });
    expect(error.message).toContain('Object Lock');
    expect(error.remedy).toBeTruthy();
  });

  it('describes an object that existed, with its checksum', async () => {
    const described = { ...object, describe: true };
    expect(await store.put(described, noAbort)).toEqual({ etag: expect.any(String) as string, existed: false });
    const checksum = crc32Checksum(object.crc32);
    const { etag } = s3.object(object.key) ?? {};
    expect(await store.put(described, noAbort)).toEqual({
      ...{ etag, existed: true },
      found: { objectBytes: object.objectBytes, checksum },
    });
    expect(await store.find(object.key, object.contentHash, noAbort, true)).toEqual({
      ...{ etag, objectBytes: object.objectBytes, checksum },
    });
    // Plain traffic asks as it always did.
    await store.put(object, noAbort);
    const heads = s3.requests().filter(({ operation }) => operation === 'HeadObject');
    expect(heads.map(({ headers }) => headers['x-amz-checksum-mode'])).toEqual(['ENABLED', 'ENABLED', undefined]);
  });

  it('an object without a checksum, or one that may not be seen, is described as far as it is known', async () => {
    const described = { ...object, describe: true };
    const unchecked = connect({ checksum: 'off' });
    await unchecked.put(object, noAbort);
    expect(await store.put(described, noAbort)).toMatchObject({
      found: { objectBytes: object.objectBytes, checksum: null },
    });
    // The checksum of an object that a KMS key encrypts needs a permission of its own.
    const withChecksum = (request: { headers: object }): boolean => 'x-amz-checksum-mode' in request.headers;
    s3.addFault({ match: withChecksum, times: 1, effect: { kind: 'error', status: 403, code: 'AccessDenied' } });
    expect(await store.put(described, noAbort)).toMatchObject({ found: { checksum: null } });
    s3.setPermissions('put_only');
    expect(await store.put(described, noAbort)).toEqual({ etag: '', existed: true, found: null });
    unchecked.close();
  });

  it.each([
    ['quarantine/2026/x', 'arn:aws:s3:::events/quarantine/*'],
    ['logs/2026/x', 'arn:aws:s3:::events/logs/*'],
  ])('a refusal of %s names what to allow', async (key, resource) => {
    s3.setPermissions('none');
    const routed = connect({ quarantinePrefix: 'quarantine/' });
    expect((await failureOf(routed.put({ ...object, key }, noAbort))).remedy).toContain(`s3:PutObject on ${resource}`);
    routed.close();
  });

  it('gives the ETag of the store, whatever it is (encrypted objects have no MD5)', async () => {
    s3.addFault({ effect: { kind: 'wrong_etag' } });
    expect(await store.put(object, noAbort)).toEqual({ etag: '"00000000000000000000000000000000"', existed: false });
  });

  it('with a key that may only put, an existing object is ours by its name', async () => {
    s3.setPermissions('put_only');
    expect(await store.put(object, noAbort)).toMatchObject({ existed: false });
    expect(await store.put(object, noAbort)).toEqual({ etag: '', existed: true });
  });

  it('an object that vanishes between refusal and look is tried again', async () => {
    await store.put(object, noAbort);
    s3.addFault({
      match: (request) => {
        if (request.operation === 'HeadObject') s3.remove(object.key);
        return false;
      },
      effect: { kind: 'hang' },
    });
    expect(await failureOf(store.put(object, noAbort))).toMatchObject({ code: 'vanished', kind: 'transient' });
    expect(await store.put(object, noAbort)).toMatchObject({ existed: false });
  });

  it('a failing look at an existing object is a failure, not a success', async () => {
    await store.put(object, noAbort);
    s3.addFault({ match: { operation: 'HeadObject' }, times: 1, effect: { kind: 'error', status: 500, code: '' } });
    const error = await failureOf(store.put(object, noAbort));
    expect(error).toMatchObject({ code: 'server_error', kind: 'transient' });
    expect(error.message).toMatch(/^looking at existing object \[bucket=events, key=logs/);
    expect(await store.put(object, noAbort)).toMatchObject({ existed: true });
  });

  it('with if_none_match off sends no condition, and the same object again is written again', async () => {
    const unconditional = connect({ ifNoneMatch: 'off' });
    await unconditional.put(object, noAbort);
    expect(await unconditional.put(object, noAbort)).toMatchObject({ existed: false });
    expect(s3.writes().map(({ outcome }) => outcome)).toEqual(['created', 'same_bytes']);
    expect(s3.overwrites()).toEqual([]);
    unconditional.close();
  });

  it.each([
    [409, 'ConditionalRequestConflict', 'conflict', 'transient'],
    [503, 'SlowDown', 'throttled', 'throttled'],
    [500, 'InternalError', 'server_error', 'transient'],
    [400, 'BadDigest', 'bad_digest', 'damaged'],
    [400, 'RequestTimeout', 'timeout', 'transient'],
    [403, 'AccessDenied', 'access_denied', 'operator'],
    [400, 'ExpiredToken', 'expired_token', 'operator'],
    [301, 'PermanentRedirect', 'wrong_region', 'operator'],
    [400, 'EntityTooLarge', 'too_large', 'operator'],
    [501, 'NotImplemented', 'not_supported', 'operator'],
    [400, 'KMS.DisabledException', 'encryption_key', 'operator'],
    [418, 'Teapot', 'refused', 'operator'],
  ])('%i %s is %s (%s), asked once, and the next try succeeds', async (status, s3Code, code, kind) => {
    s3.addFault({ times: 1, effect: { kind: 'error', status, code: s3Code } });
    const error = await failureOf(store.put(object, noAbort));
    expect(error).toMatchObject({ code, kind, retryable: kind !== 'damaged' });
    expect(error.message).toContain(`[bucket=events, key=${object.key}]: ${status} ${s3Code}`);
    expect(error.remedy === undefined).toBe(kind !== 'operator');
    expect(s3.requests()).toHaveLength(1);
    expect(await store.put(object, noAbort)).toMatchObject({ existed: false });
  });

  it('a body damaged on its way is refused by the store', async () => {
    s3.addFault({ times: 1, effect: { kind: 'damage' } });
    const stream = { ...object, body: () => Readable.from([Buffer.from('{"id":"1"}\n')]) };
    expect(await failureOf(store.put(stream, noAbort))).toMatchObject({ code: 'bad_digest', kind: 'damaged' });
    expect(s3.objects()).toEqual([]);
    expect(await store.put(stream, noAbort)).toMatchObject({ existed: false });
  });

  it.each([11, 5_000_000])('a store that hangs (%i bytes) ends with the deadline', async (bytes) => {
    s3.addFault({ times: 1, effect: { kind: 'hang' } });
    const large = anObject(Buffer.alloc(bytes, '{}\n'));
    const startedMs = performance.now();
    expect(await failureOf(store.put(large, AbortSignal.timeout(1_000)))).toMatchObject({ code: 'timeout' });
    expect(performance.now() - startedMs).toBeLessThan(20_000); // without the deadline: a minute
    expect(await store.put(large, noAbort)).toMatchObject({ existed: false });
  });

  it('a store that hangs ends with the idle timeout when the caller set no deadline', async () => {
    s3.addFault({ times: 1, effect: { kind: 'hang' } });
    const impatient = connect({ idleTimeoutMs: 200 });
    expect(await failureOf(impatient.put(object, noAbort))).toMatchObject({ code: 'timeout', kind: 'transient' });
    impatient.close();
  });

  it.each([
    ['reset', { kind: 'reset', applied: true }],
    ['never answered', { kind: 'hang', applied: true }],
    ['answered with 500', { kind: 'error', status: 500, code: 'InternalError', applied: true }],
  ] as const)('a PUT that took effect and was %s existed at the next try', async (_name, effect) => {
    s3.addFault({ times: 1, effect });
    expect(await failureOf(store.put(object, AbortSignal.timeout(1_000)))).toMatchObject({ kind: 'transient' });
    expect(await store.put(object, noAbort)).toMatchObject({ existed: true });
    expect(s3.writes()).toHaveLength(1);
  });

  it('a connection reset before it took effect is transient', async () => {
    s3.addFault({ times: 1, effect: { kind: 'reset' } });
    expect(await failureOf(store.put(object, noAbort))).toMatchObject({ code: 'interrupted', kind: 'transient' });
    expect(await store.put(object, noAbort)).toMatchObject({ existed: false });
  });

  it('a large body is not sent to a store that refuses it at once', async () => {
    s3.setPermissions('none');
    let read = 0;
    const content = Buffer.alloc(8_000_000, '{}\n');
    const body = (): Readable =>
      Readable.from(
        (function* () {
          for (let at = 0; at < content.length; at += 65_536, read++) yield content.subarray(at, at + 65_536);
        })(),
      );
    expect(await failureOf(store.put({ ...anObject(content), body }, noAbort))).toMatchObject({
      code: 'access_denied',
    });
    expect(read).toBeLessThan(20);
  });

  it('keeps the connection from one object to the next', async () => {
    await store.put(object, noAbort);
    await store.put(anObject('2\n'), noAbort);
    await store.check(noAbort);
    expect(new Set(s3.requests().map(({ clientPort }) => clientPort)).size).toBe(1);
  });

  describe('says what a person has to do about', () => {
    it('a bucket that is not there', async () => {
      s3.setBucketExists(false);
      const error = await failureOf(store.put(object, noAbort));
      expect(error).toMatchObject({ code: 'no_such_bucket', kind: 'operator', retryable: true });
      expect(error.remedy).toBe(`Create the bucket events at ${s3.url}, or correct \`bucket\` or \`endpoint\`.`);
    });

    it('a key that may not put', async () => {
      s3.setPermissions('none');
      const error = await failureOf(store.put(object, noAbort));
      expect(error).toMatchObject({ code: 'access_denied', kind: 'operator' });
      expect(error.remedy).toContain('Allow s3:PutObject on arn:aws:s3:::events/logs/*');
    });

    it('an unknown access key, a wrong secret, a wrong token', async () => {
      const cases = [
        [{ accessKeyId: 'AKIAOTHER', secretAccessKey: keys.secretAccessKey }, 'unknown_access_key'],
        [{ accessKeyId: keys.accessKeyId, secretAccessKey: 'wrong' }, 'bad_signature'],
        [{ ...keys, sessionToken: 'old' }, 'expired_token'],
      ] as const;
      for (const [credentials, code] of cases) {
        const wrong = connect({}, { credentials });
        expect(await failureOf(wrong.put(object, noAbort))).toMatchObject({ code, kind: 'operator' });
        wrong.close();
      }
    });

    it('a wrong region, naming the right one', async () => {
      const elsewhere = await another({ region: 'eu-central-1' });
      const wrong = connect({}, { endpoint: elsewhere.url, region: 'us-east-1' });
      const error = await failureOf(wrong.put(object, noAbort));
      expect(error).toMatchObject({ code: 'wrong_region', kind: 'operator' });
      expect(error.remedy).toContain('eu-central-1');
      wrong.close();
    });

    it('a clock that is wrong; the SDK then corrects itself', async () => {
      const ahead = await another({ clockOffsetMs: 3_600_000 });
      const late = connect({}, { endpoint: ahead.url });
      expect(await failureOf(late.put(object, noAbort))).toMatchObject({ code: 'clock_skew', kind: 'operator' });
      expect(await late.put(object, noAbort)).toMatchObject({ existed: false });
      late.close();
    });
  });

  it('a store that is not there is unreachable, which passes', async () => {
    const gone = await another({});
    await gone.stop();
    const away = connect({}, { endpoint: gone.url });
    expect(await failureOf(away.put(object, noAbort))).toMatchObject({ code: 'unreachable', kind: 'transient' });
    away.close();
  });

  it('what answers 200 to everything is no S3', async () => {
    const portal = createServer((_request, response) => response.end('<html>Welcome</html>'));
    await new Promise<void>((resolve) => portal.listen(0, '127.0.0.1', resolve));
    const address = portal.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const lost = connect({}, { endpoint: `http://127.0.0.1:${port}` });
    expect(await failureOf(lost.put(object, noAbort))).toMatchObject({ code: 'unexpected', kind: 'transient' });
    lost.close();
    portal.close();
    portal.closeAllConnections();
  });

  describe('check', () => {
    it('needs nothing but the permission to put', async () => {
      s3.setPermissions('put_only');
      expect(await store.check(noAbort)).toEqual({ location: 's3://events/logs/', warnings: [] });
      expect(s3.requests().map(({ operation }) => operation)).toEqual(['PutObject']);
      expect(s3.objects()).toEqual([]);
    });

    it('fails with the remedy', async () => {
      s3.setPermissions('none');
      const error = await failureOf(store.check(noAbort));
      expect(error).toMatchObject({ code: 'access_denied', kind: 'operator' });
      expect(error.message).toMatch(
        /^trying the bucket \[bucket=events, key=logs\/_sink-aws-s3-check\]: 403 AccessDenied/,
      );
      expect(error.remedy).toContain('s3:PutObject');
    });

    it('warns of a store that does not verify checksums', async () => {
      const careless = createServer((request, response) => {
        request.resume().on('end', () => response.setHeader('etag', '"1"').end());
      });
      await new Promise<void>((resolve) => careless.listen(0, '127.0.0.1', resolve));
      const address = careless.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const trusting = connect({}, { endpoint: `http://127.0.0.1:${port}` });
      expect((await trusting.check(noAbort)).warnings).toEqual([expect.stringContaining('does not verify checksums')]);
      trusting.close();
      careless.close();
      careless.closeAllConnections();
    });

    it('ends with its deadline', async () => {
      s3.addFault({ effect: { kind: 'hang' } });
      expect(await failureOf(store.check(AbortSignal.timeout(100)))).toMatchObject({ code: 'timeout' });
    });
  });
});

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { startS3, type FakeS3 } from '@sink/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import { anObject, failureOf, noAbort } from './object-store.conformance.ts';
import type { ObjectStore } from './object-store.ts';
import type { S3StoreOptions } from './s3-object-store.ts';

const keys = { bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' };
const object = anObject('123456789');
let s3: FakeS3;
const stores: ObjectStore[] = [];

beforeAll(async () => {
  s3 = await startS3(keys);
});
afterEach(() => {
  for (const store of stores.splice(0)) store.close();
  s3.clear();
});
afterAll(() => s3.stop());

function connect(options: Partial<S3StoreOptions> = {}): ObjectStore {
  const credentials = { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey };
  const bucket = { kind: 's3', name: keys.bucket, endpoint: s3.url, forcePathStyle: true, credentials } as const;
  const store = createObjectStore(bucket, { ifNoneMatch: 'auto', ...options });
  stores.push(store);
  return store;
}

const lastHeaders = (): Readonly<Record<string, string>> => s3.requests().at(-1)?.headers ?? {};

test('with no setting a PUT has the headers that it always had, and no other', async () => {
  const none = { sse: null, storageClass: null, acl: null, requesterPays: false, cacheControl: null } as const;
  const store = connect({ ...none, expectedBucketOwner: null, sseBucketKey: null, sseKmsKeyId: null });
  await store.put({ ...object, body: () => Readable.from([Buffer.from('123456789')]) }, noAbort);
  // Order and spelling as they are on the wire are those of the SDK.
  expect(Object.keys(lastHeaders()).toSorted()).toEqual([
    'amz-sdk-invocation-id',
    'amz-sdk-request',
    'authorization',
    'connection',
    'content-length',
    'content-type',
    'host',
    'if-none-match',
    'user-agent',
    'x-amz-checksum-crc32',
    'x-amz-content-sha256',
    'x-amz-date',
    'x-amz-meta-content-sha256',
    'x-amz-meta-segment-id',
    'x-amz-user-agent',
  ]);
});

const ALL: Partial<S3StoreOptions> = {
  ...{ sse: 'aws:kms', sseKmsKeyId: 'alias/events', sseBucketKey: true, storageClass: 'STANDARD_IA' },
  ...{ acl: 'bucket-owner-full-control', expectedBucketOwner: '012345678901', requesterPays: true },
  cacheControl: 'max-age=60',
};
const ALL_HEADERS = {
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-aws-kms-key-id': 'alias/events',
  'x-amz-server-side-encryption-bucket-key-enabled': 'true',
  'x-amz-storage-class': 'STANDARD_IA',
  'x-amz-acl': 'bucket-owner-full-control',
  'x-amz-expected-bucket-owner': '012345678901',
  'x-amz-request-payer': 'requester',
  'cache-control': 'max-age=60',
};

test('each setting is a header of the PUT, and of the probe, which a policy of the bucket judges too', async () => {
  const store = connect(ALL);
  await store.put(object, noAbort);
  expect(lastHeaders()).toMatchObject(ALL_HEADERS);
  await store.check(noAbort);
  expect(lastHeaders()).toMatchObject(ALL_HEADERS);
  await store.find(object.key, object.contentHash, noAbort);
  expect(lastHeaders()).toMatchObject({
    'x-amz-expected-bucket-owner': '012345678901',
    'x-amz-request-payer': 'requester',
  });
  expect(lastHeaders()).not.toHaveProperty('x-amz-server-side-encryption');
});

test('a setting that changes is used by the next PUT', async () => {
  const settings: { sse: 'AES256' | 'aws:kms' | null; ifNoneMatch: 'auto' } = { sse: 'AES256', ifNoneMatch: 'auto' };
  const credentials = { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey };
  const bucket = { kind: 's3', name: keys.bucket, endpoint: s3.url, forcePathStyle: true, credentials } as const;
  const store = createObjectStore(bucket, settings);
  stores.push(store);
  await store.put(object, noAbort);
  expect(lastHeaders()).toHaveProperty('x-amz-server-side-encryption', 'AES256');
  settings.sse = null;
  await store.put(anObject('other'), noAbort);
  expect(lastHeaders()).not.toHaveProperty('x-amz-server-side-encryption');
});

// The check values of the algorithms, of 123456789.
test.each([
  ['crc32', 'cbf43926'],
  ['crc32c', 'e3069283'],
  ['crc64nvme', 'ae8b14860a799888'],
  ['sha256', createHash('sha256').update('123456789').digest('hex')],
] as const)('%s is sent', async (checksum, hex) => {
  const store = connect({ checksum });
  const body = (): Readable => Readable.from([Buffer.from('1234'), Buffer.from('56789')]);
  await store.put({ ...object, body }, noAbort);
  expect(lastHeaders()[`x-amz-checksum-${checksum}`]).toBe(Buffer.from(hex, 'hex').toString('base64'));
  expect(Object.keys(lastHeaders()).filter((name) => name.startsWith('x-amz-checksum'))).toHaveLength(1);
});

test('a body that is not what was announced is found before its checksum is sent', async () => {
  const store = connect({ checksum: 'sha256' });
  const body = (): Readable => Readable.from([Buffer.from('12345678X')]);
  expect(await failureOf(store.put({ ...object, body }, noAbort))).toMatchObject({ code: 'body_damaged' });
  const broken = (): Readable => new Readable({ read: (): void => void 0 }).destroy(new Error('gone'));
  expect(await failureOf(store.put({ ...object, body: broken }, noAbort))).toMatchObject({ code: 'body_unreadable' });
  expect(s3.requests()).toEqual([]);
});

import { Readable } from 'node:stream';
import { startS3, type FakeS3 } from '@sink/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import { anObject, failureOf, noAbort } from './object-store.conformance.ts';
import type { ObjectStore, ObjectToPut } from './object-store.ts';
import type { S3StoreOptions } from './s3-object-store.ts';
import { partBytesOf } from './s3-parts.ts';

const MIB = 1024 * 1024;
const keys = { bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' };
const bytes = Buffer.alloc(17 * MIB, '{"id":"1","data":"of some length"}\n');
const object: ObjectToPut = {
  ...anObject(bytes),
  body: () => Readable.from(pieces(0, bytes.length)),
  range: (from, to) => Readable.from(pieces(from, to)),
};
let s3: FakeS3;
const stores: ObjectStore[] = [];

beforeAll(async () => {
  s3 = await startS3({ ...keys, objectLock: true });
});
afterEach(() => {
  for (const store of stores.splice(0)) store.close();
  s3.clear();
  s3.setPermissions('all');
});
afterAll(() => s3.stop());

function* pieces(from: number, to: number): Generator<Buffer> {
  for (let at = from; at < to; at += 65_536) yield bytes.subarray(at, Math.min(at + 65_536, to));
}

function connect(options: Partial<S3StoreOptions> = {}): ObjectStore {
  const credentials = { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey };
  const bucket = { kind: 's3', name: keys.bucket, endpoint: s3.url, forcePathStyle: true, credentials } as const;
  const store = createObjectStore(bucket, { ifNoneMatch: 'auto', multipartAbove: 10 * MIB, ...options });
  stores.push(store);
  return store;
}

const operations = (): string[] => s3.requests().map(({ operation }) => operation);
const IN_PARTS = ['CreateMultipartUpload', 'UploadPart', 'UploadPart', 'UploadPart', 'CompleteMultipartUpload'];

test('a large object is put in parts, under the condition, and is checked as a whole', async () => {
  const store = connect({ sse: 'AES256', storageClass: 'STANDARD_IA', expectedBucketOwner: '012345678901' });
  const lockUntilMs = Date.now() + 60_000;
  const put = await store.put({ ...object, tags: { team: 'x' }, metadata: { origin: 'sink' }, lockUntilMs }, noAbort);
  const stored = s3.object(object.key);
  expect(stored?.body.equals(bytes)).toBe(true);
  expect(put).toEqual({ etag: stored?.etag, existed: false });
  expect(stored).toMatchObject({
    ...{ tags: { team: 'x' }, lock: { mode: 'GOVERNANCE' }, contentType: object.contentType },
    metadata: { origin: 'sink', 'content-sha256': object.contentHash, 'segment-id': object.segmentId },
  });
  expect(operations()).toEqual(IN_PARTS);
  const [created, part, , , completed] = s3.requests().map(({ headers }) => headers);
  expect(created).toMatchObject({ 'x-amz-server-side-encryption': 'AES256', 'x-amz-storage-class': 'STANDARD_IA' });
  expect(created).toMatchObject({ 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' });
  expect(created).not.toHaveProperty('if-none-match');
  expect(part).toMatchObject({ 'x-amz-checksum-crc32': expect.any(String) as string });
  expect(part?.['content-encoding']).toBeUndefined();
  expect(completed).toMatchObject({
    ...{ 'if-none-match': '*', 'x-amz-checksum-type': 'FULL_OBJECT', 'x-amz-mp-object-size': String(bytes.length) },
    'x-amz-checksum-crc32': stored?.crc32,
  });
  for (const { headers } of s3.requests()) expect(headers['x-amz-expected-bucket-owner']).toBe('012345678901');
});

test('the object again is the same object, and what was begun for it is aborted', async () => {
  const store = connect();
  await store.put(object, noAbort);
  expect(await store.put({ ...object, describe: true }, noAbort)).toMatchObject({
    ...{ existed: true, found: { objectBytes: bytes.length, checksum: { algorithm: 'CRC32' } } },
  });
  expect(operations().slice(IN_PARTS.length)).toEqual([...IN_PARTS, 'AbortMultipartUpload', 'HeadObject']);
  expect(s3.uploads()).toEqual([]);
  expect(s3.writes()).toHaveLength(1);
});

test('another object under the key is not overwritten', async () => {
  s3.plant(object.key, Buffer.from('other'));
  expect(await failureOf(connect().put(object, noAbort))).toMatchObject({ code: 'key_taken' });
  expect(s3.object(object.key)?.body.toString()).toBe('other');
});

test.each([
  ['a conflict', { kind: 'error', status: 409, code: 'ConditionalRequestConflict' }, 'conflict', false],
  ['a lost answer', { kind: 'reset', applied: true }, 'interrupted', true],
  ['an upload that is gone', { kind: 'error', status: 404, code: 'NoSuchUpload' }, 'vanished', false],
] as const)('%s at the end is tried again, from the first part', async (_, effect, code, existed) => {
  s3.addFault({ match: { operation: 'CompleteMultipartUpload' }, times: 1, effect });
  const store = connect();
  expect(await failureOf(store.put(object, noAbort))).toMatchObject({ code, kind: 'transient' });
  expect(await store.put(object, noAbort)).toMatchObject({ existed });
  expect(s3.object(object.key)?.body.equals(bytes)).toBe(true);
  expect(s3.uploads()).toEqual([]);
});

test('a part that fails ends the others, and nothing is stored', async () => {
  s3.addFault({
    match: { operation: 'UploadPart' },
    skip: 1,
    times: 1,
    effect: { kind: 'error', status: 503, code: 'SlowDown' },
  });
  const store = connect();
  expect(await failureOf(store.put(object, noAbort))).toMatchObject({ kind: 'throttled' });
  expect([s3.objects(), s3.uploads()]).toEqual([[], []]);
});

test('a body that is not what was announced is found before anything is sent', async () => {
  const other = Buffer.from(bytes).fill('x', 9 * MIB, 9 * MIB + 1);
  const damaged = { ...object, body: (): Readable => Readable.from([other]) };
  expect(await failureOf(connect().put(damaged, noAbort))).toMatchObject({ code: 'body_damaged', kind: 'damaged' });
  expect(s3.requests()).toEqual([]);
});

test('a part that changed since it was read is not sent', async () => {
  const range = (from: number, to: number): Readable =>
    from === 0 ? Readable.from(pieces(0, to)) : Readable.from([Buffer.alloc(to - from, 'x')]);
  expect(await failureOf(connect().put({ ...object, range }, noAbort))).toMatchObject({ code: 'body_damaged' });
  expect([s3.objects(), s3.uploads()]).toEqual([[], []]);
});

describe('an object is one PUT', () => {
  test.each([
    ['up to the limit', { multipartAbove: bytes.length }],
    ['without a checksum', { checksum: 'off' }],
    ['with a checksum that S3 has of parts only', { checksum: 'sha256' }],
  ] as const)('%s', async (_, options) => {
    await connect(options).put(object, noAbort);
    expect(operations()).toEqual(['PutObject']);
  });

  test.each([
    [
      'does not know them',
      { operation: 'CreateMultipartUpload' },
      { kind: 'error', status: 501, code: 'NotImplemented' },
    ],
    ['may not decrypt them', { operation: 'UploadPart' }, { kind: 'error', status: 403, code: 'AccessDenied' }],
    [
      'adds them up otherwise',
      { operation: 'CompleteMultipartUpload' },
      { kind: 'error', status: 400, code: 'BadDigest' },
    ],
  ] as const)('where the store takes no parts: it %s', async (_, match, effect) => {
    s3.addFault({ match, effect });
    const store = connect();
    expect(await store.put(object, noAbort)).toMatchObject({ existed: false });
    expect(s3.object(object.key)?.crc32).not.toBeNull();
    const before = operations().length;
    await store.put({ ...object, key: `${object.key}2` }, noAbort);
    expect(operations().slice(before)).toEqual(['PutObject']);
    expect(s3.uploads()).toEqual([]);
  });

  test('a failure that is not about parts is that of the PUT, and parts are tried again', async () => {
    s3.setPermissions('none');
    const store = connect();
    expect(await failureOf(store.put(object, noAbort))).toMatchObject({ code: 'access_denied' });
    s3.setPermissions('all');
    await store.put(object, noAbort);
    expect(operations().slice(-IN_PARTS.length)).toEqual(IN_PARTS);
  });
});

test('what was abandoned is aborted: only what is ours and old, and only after this store has put parts', async () => {
  const nowMs = Date.now();
  for (const key of ['logs/ours', 'logs/theirs', 'else/ours']) s3.plantUpload(key, nowMs - 2);
  s3.plantUpload('logs/ours-young', nowMs);
  const store = connect();
  const which = { prefix: 'logs/', isOurs: (key: string) => key.includes('ours'), beforeMs: nowMs - 1 };
  expect(await store.abortAbandoned?.(which, noAbort)).toBe(0);
  expect(s3.requests()).toEqual([]);
  await store.put(object, noAbort);
  expect(await store.abortAbandoned?.(which, noAbort)).toBe(1);
  expect(s3.uploads().toSorted()).toEqual(['else/ours', 'logs/ours-young', 'logs/theirs']);
});

test('an object of any size has at most 10,000 parts', () => {
  expect(partBytesOf(bytes.length)).toBe(8 * MIB);
  expect(Math.ceil((5 * 1024 ** 4) / partBytesOf(5 * 1024 ** 4))).toBeLessThanOrEqual(10_000);
});

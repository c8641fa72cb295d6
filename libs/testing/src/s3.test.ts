import { connect } from 'node:net';
import {
  GetObjectCommand,
  HeadBucketCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startS3 } from './s3.ts';
import type { FakeS3 } from './s3.ts';
import { startS3Process } from './s3-process.ts';

const keys = { bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret/+=' };

function clientOf(url: string, changed: Partial<typeof keys> = {}): S3Client {
  const { accessKeyId, secretAccessKey } = { ...keys, ...changed };
  return new S3Client({
    endpoint: url,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
}

function put(client: S3Client, key: string, body: string, more: object = {}): Promise<unknown> {
  return client.send(new PutObjectCommand({ Bucket: 'events', Key: key, Body: body, ...more }));
}

describe('the S3 fake', () => {
  let s3: FakeS3;
  let client: S3Client;
  beforeEach(async () => {
    s3 = await startS3(keys);
    client = clientOf(s3.url);
  });
  afterEach(async () => {
    client.destroy();
    await s3.stop();
  });

  it('returns what was put, with its metadata and checksum', async () => {
    await put(client, 'a/b c.txt', 'hello', { ChecksumCRC32: 'NhCmhg==', Metadata: { hash: 'x' } });
    const get = new GetObjectCommand({ Bucket: 'events', Key: 'a/b c.txt', ChecksumMode: 'ENABLED' });
    const found = await client.send(get);
    expect(await found.Body?.transformToString()).toBe('hello');
    expect(found).toMatchObject({ ChecksumCRC32: 'NhCmhg==', Metadata: { hash: 'x' } });
    await expect(client.send(new HeadBucketCommand({ Bucket: 'events' }))).resolves.toBeTruthy();
  });

  it('lists page after page, in key order', async () => {
    for (let i = 0; i < 25; i++) s3.plant(`k&${(i * 7) % 25}`, Buffer.from('x'));
    const found: (string | undefined)[] = [];
    let pages = 0;
    for await (const page of paginateListObjectsV2({ client, pageSize: 10 }, { Bucket: 'events', Prefix: 'k&' })) {
      pages++;
      found.push(...(page.Contents ?? []).map(({ Key }) => Key));
    }
    expect(pages).toBe(3);
    expect(found).toEqual(s3.objects().map(({ key }) => key));
    expect(found).toHaveLength(25);
  });

  it('distinguishes an overwrite with other bytes from one with the same bytes', async () => {
    await put(client, 'k', 'one');
    await put(client, 'k', 'one');
    expect(s3.overwrites()).toEqual([]);
    await put(client, 'k', 'two');
    expect(s3.writes().map(({ outcome }) => outcome)).toEqual(['created', 'same_bytes', 'other_bytes']);
    expect(s3.overwrites()).toHaveLength(1);
  });

  it.each([
    ['PreconditionFailed', 'k', { IfNoneMatch: '*' }],
    ['BadDigest', 'n', { ChecksumCRC32: 'AAAAAA==' }],
    ['NotImplemented', 'n', { ChecksumAlgorithm: 'CRC32', IfNoneMatch: '"etag"' }],
    ['NoSuchBucket', 'n', { Bucket: 'nothere' }],
  ])('refuses with %s and stores nothing', async (name, key, more) => {
    s3.plant('k', Buffer.from('x'));
    await expect(put(client, key, 'hello', more)).rejects.toMatchObject({ name });
    expect(s3.writes()).toEqual([]);
  });

  it('refuses a wrong secret and an unknown key', async () => {
    await expect(put(clientOf(s3.url, { secretAccessKey: 'no' }), 'k', 'x')).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
    await expect(put(clientOf(s3.url, { accessKeyId: 'no' }), 'k', 'x')).rejects.toMatchObject({
      name: 'InvalidAccessKeyId',
    });
    expect((await fetch(`${s3.url}/events/k`, { method: 'PUT', body: 'x' })).status).toBe(403);
    expect(s3.writes()).toEqual([]);
  });

  it('refuses a signed header that was changed in transit', async () => {
    client.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as { headers: Record<string, string> };
        delete request.headers['if-none-match'];
        return next(args);
      },
      { step: 'deserialize', priority: 'low' },
    );
    await expect(put(client, 'k', 'x', { IfNoneMatch: '*' })).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
  });

  it('knows tags and locks, and refuses what S3 refuses', async () => {
    const until = (ms: number): object => ({
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: new Date(Date.now() + ms),
    });
    const md5 = { ContentMD5: 'CY9rzUYh03PK3k6DJie09g==' };
    await expect(put(client, 'unlocked', 'test', { ...until(60_000), ...md5 })).rejects.toThrow('Object Lock');
    const locking = await startS3({ ...keys, objectLock: true, otherBuckets: ['audit'] });
    const other = clientOf(locking.url);
    try {
      await put(other, 'a', 'test', { Bucket: 'audit', Tagging: 'team=a%20b&empty=', ...until(60_000), ...md5 });
      expect(locking.objects()).toEqual([]);
      expect(locking.object('a', 'audit')).toMatchObject({
        tags: { team: 'a b', empty: '' },
        lock: { mode: 'GOVERNANCE' },
      });
      await expect(put(other, 'b', 'test', until(60_000))).rejects.toThrow('is required for Put Object requests with');
      await expect(put(other, 'b', 'test', { ...until(-60_000), ...md5 })).rejects.toThrow('must be in the future');
      const many = Array.from({ length: 11 }, (_, n) => `t${n}=x`).join('&');
      await expect(put(other, 'b', 'test', { Tagging: many })).rejects.toThrow('greater than 10');
      await expect(put(other, 'b', 'test', { Tagging: 'a=1&a=2' })).rejects.toThrow('same key');
      await expect(put(other, 'b', 'test', { Tagging: 'a=%3C' })).rejects.toThrow('invalid');
      const Statement = [{ Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::events/*' }];
      locking.setPermissions({ policy: { Statement } });
      await put(other, 'plain', 'test');
      await expect(put(other, 'b', 'test', { Tagging: 'a=1' })).rejects.toThrow('Access Denied');
      await expect(put(other, 'b', 'test', { ...until(60_000), ...md5 })).rejects.toThrow('Access Denied');
    } finally {
      other.destroy();
      await locking.stop();
    }
  });

  it('a body shorter than its Content-Length has no effect', async () => {
    const signed: string[] = [];
    client.middlewareStack.add(
      (next) => (args) => {
        const { headers } = args.request as { headers: Record<string, string> };
        for (const [name, value] of Object.entries(headers)) signed.push(`${name}: ${value}`);
        return next(args);
      },
      { step: 'deserialize', priority: 'low' },
    );
    await put(client, 'k', 'hello', { ContentLength: 5 });
    s3.clear();
    const send = async (body: string): Promise<void> => {
      const socket = connect(s3.port, s3.host);
      socket.on('error', () => undefined);
      socket.end(['PUT /events/k?x-id=PutObject HTTP/1.1', ...signed, '', body].join('\r\n'));
      await new Promise((resolve) => socket.resume().once('close', resolve));
    };
    await send('hell');
    expect(s3.objects()).toEqual([]);
    expect(s3.requests()).toEqual([]);
    await send('hello');
    expect(s3.object('k')?.body.toString()).toBe('hello');
  });

  it('a fault hits its requests as often as its rule says', async () => {
    const id = s3.addFault({
      match: { operation: 'PutObject', keyPattern: '^hit' },
      skip: 1,
      times: 2,
      effect: { kind: 'error', status: 503, code: 'SlowDown' },
    });
    const outcomes: string[] = [];
    for (const key of ['hit1', 'miss', 'hit2', 'hit3', 'hit4']) {
      outcomes.push(
        await put(client, key, key).then(
          () => 'stored',
          (error: unknown) => (error as Error).name,
        ),
      );
    }
    expect(outcomes).toEqual(['stored', 'stored', 'SlowDown', 'SlowDown', 'stored']);
    expect(s3.faultHits(id)).toBe(2);
  });
});

describe('the S3 fake as a process', () => {
  it('is controlled over HTTP and ends at kill', async () => {
    const fake = await startS3Process(keys);
    const { control, url } = fake;
    const client = clientOf(url);
    await put(client, 'a b/ü', 'one', { Metadata: { hash: 'x' } });
    const [object] = await control.objects();
    expect(object).toMatchObject({ key: 'a b/ü', metadata: { hash: 'x' } });
    expect(object?.body.toString()).toBe('one');
    expect(await control.keys()).toEqual(['a b/ü']);
    expect(String(await control.body('a b/ü'))).toBe('one');
    await control.plant('theirs', 'x');
    await put(client, 'theirs', 'y');
    expect(await control.overwrites()).toMatchObject([{ key: 'theirs' }]);

    const fault = await control.addFault({ times: 1, effect: { kind: 'reset', applied: true } });
    await expect(put(client, 'k', 'v')).rejects.toThrow();
    expect(await control.faultHits(fault)).toBe(1);
    expect(await control.writes()).toHaveLength(3);
    await control.addFault({ effect: { kind: 'error', status: 500, code: 'InternalError' } });
    await expect(put(client, 'k', 'v')).rejects.toMatchObject({ name: 'InternalError' });
    await control.clearFaults();
    await control.setPermissions('put_only');
    await expect(client.send(new GetObjectCommand({ Bucket: 'events', Key: 'k' }))).rejects.toMatchObject({
      name: 'AccessDenied',
    });
    await control.setPermissions('all');
    await control.setBucketExists(false);
    await expect(put(client, 'k', 'v')).rejects.toMatchObject({ name: 'NoSuchBucket' });
    expect((await control.requests()).at(-1)).toMatchObject({ operation: 'PutObject', key: 'k', status: 404 });
    await control.clear();
    expect(await control.keys()).toEqual([]);

    client.destroy();
    await fake.stop();
    expect(await fake.process.exited).toMatchObject({ signal: 'SIGKILL' });
  });
});

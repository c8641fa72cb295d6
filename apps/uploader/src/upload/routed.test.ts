import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';
import { crc32Checksum, type Receipt } from '@sink/domain';
import { IoredisPort } from '@sink/lane';
import { eventually, temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { receiptsPage } from '../receipts-page.ts';
import { NOTHING, OTHER_BUCKET, SINK, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();
const PUT = { operation: 'PutObject' } as const;
const quiet = async (): Promise<void> => expect(await world.left()).toEqual(NOTHING);
const checksumOf = (object: Buffer) => crc32Checksum(crc32(object));

async function onlyReceipt(): Promise<{ receipt: Receipt; placed: string | undefined }> {
  const [{ receipt, place } = { receipt: null, place: null }] = await world.lane().newestReceipts(1);
  if (receipt === null) throw new Error('there is no receipt');
  return { receipt, placed: (await world.lane().places()).get(place ?? '') };
}

describe('a record of version 2', () => {
  test('goes into its own bucket, with its tags, metadata and lock, and its receipt says all of it', async () => {
    const lockUntilMs = Date.now() + 86_400_000;
    const put = { tags: { team: 'a b' }, metadata: { tenant: 'x' }, lockUntilMs };
    await world.startUploader();
    const { record, object } = await world.sealAndQueue({
      compression: 'zstd',
      routed: { bucket: OTHER_BUCKET, route: 'audit', path: 'tenant=a', ...put },
    });
    await eventually(quiet);
    expect(world.s3.objects()).toEqual([]);
    const stored = world.s3.object(record.key, OTHER_BUCKET);
    expect(stored?.body.equals(object)).toBe(true);
    expect(stored).toMatchObject({
      ...{ tags: { team: 'a b' }, lock: { mode: 'GOVERNANCE', untilMs: lockUntilMs } },
      metadata: { tenant: 'x', 'segment-id': record.id, 'content-sha256': record.sha256 },
    });
    const { receipt, placed } = await onlyReceipt();
    const { id, key, count, bytes, sha256, acceptedAtMs, sealedAtMs } = record;
    expect(receipt).toEqual({
      ...{ v: 2, id, key, count, bytes, sha256, acceptedAtMs, sealedAtMs, etag: stored?.etag },
      ...{ bucket: OTHER_BUCKET, route: 'audit', path: 'tenant=a', objectBytes: object.length },
      ...{ checksum: checksumOf(object), storedAtMs: expect.any(Number) as number },
    });
    expect(placed).toBe(`${OTHER_BUCKET} at ${new URL(world.s3.url).host}`);
    const page = await receiptsPage(new IoredisPort(world.admin), { sinkName: SINK, lanes: 1 });
    expect(page.receipts).toMatchObject([
      { key, bucket: OTHER_BUCKET, route: 'audit', path: 'tenant=a', checksum: checksumOf(object), events: count },
    ]);
  });

  test('version 1 goes into the configured bucket, and its receipt is as it was', async () => {
    await world.startUploader();
    const { record, object } = await world.sealAndQueue();
    await eventually(quiet);
    const { receipt } = await onlyReceipt();
    expect(Object.keys(receipt)).toEqual(
      'v id key etag count bytes objectBytes sha256 acceptedAtMs sealedAtMs storedAtMs'.split(' '),
    );
    expect(receipt).toMatchObject({ v: 1, key: record.key, objectBytes: object.length });
    const [entry] = await world.admin.xrange(world.lane().keys.receipts, '-', '+');
    expect(entry?.[1].slice(0, 2)).toEqual(['v', '1']);
  });

  test('that is redirected while its object is put is committed with the object in the new bucket, and leaves one in the old', async () => {
    const slow = world.s3.addFault({ match: PUT, effect: { kind: 'slow', delayMs: 500 }, times: 1 });
    await world.startUploader();
    const { record } = await world.sealAndQueue({ routed: { bucket: OTHER_BUCKET, route: 'audit' } });
    await eventually(() => world.s3.faultHits(slow) === 1);
    const [[found] = []] = await Array.fromAsync(world.lane().stored());
    if (found === undefined) throw new Error('it was committed before');
    expect(await world.lane().redirect(found, 'events')).toBe('redirected');
    await eventually(quiet);
    expect(world.s3.object(record.key)).toBeDefined();
    expect(world.s3.object(record.key, OTHER_BUCKET)).toBeDefined();
    expect((await onlyReceipt()).receipt).toMatchObject({ v: 2, id: record.id, bucket: 'events' });
  });

  test('a lock whose time has passed is not asked for', async () => {
    await world.startUploader();
    const { record } = await world.sealAndQueue({ routed: { lockUntilMs: Date.now() - 1 } });
    await eventually(quiet);
    expect(world.s3.object(record.key)).not.toHaveProperty('lock');
  });

  test('in a directory is stored there, whatever bucket is configured', async () => {
    const directory = temporaryDirectory('bucket');
    await world.startUploader();
    const { record, object } = await world.sealAndQueue({ routed: { bucket: pathToFileURL(directory).href } });
    await eventually(quiet);
    expect(readFileSync(join(directory, record.key)).equals(object)).toBe(true);
    expect((await onlyReceipt()).placed).toBe(directory);
  });

  test('for a bucket of S3, where only a directory is configured, waits and says what to do', async () => {
    const file = pathToFileURL(temporaryDirectory('bucket')).href;
    const uploader = await world.startUploader({
      config: { bucket: file, stop_grace: '200ms' },
    });
    await world.sealAndQueue({ routed: { bucket: OTHER_BUCKET } });
    await eventually(() =>
      expect(uploader.problems()['segments']).toMatch(/bucket audit, .* Set `bucket` to that bucket/),
    );
    expect(await world.left()).toMatchObject({ segments: 1 });
  });
});

describe('after a PUT whose answer was lost, the receipt has what HEAD says', () => {
  test('size and checksum', async () => {
    world.s3.addFault({ match: PUT, effect: { kind: 'reset', applied: true }, times: 1 });
    const uploader = await world.startUploader();
    const { object } = await world.sealAndQueue({ compression: 'gzip', routed: {} });
    await eventually(quiet);
    expect(await uploader.metric('sink_uploads_total', { result: 'existed' })).toBe(1);
    expect((await onlyReceipt()).receipt).toMatchObject({ objectBytes: object.length, checksum: checksumOf(object) });
  });

  test('of the object that is stored, which another library may have compressed', async () => {
    const { record, object } = await world.seal({ compression: 'gzip', routed: {} });
    const other = Buffer.concat([object, Buffer.from('more')]);
    world.s3.plant(record.key, other, { 'content-sha256': record.sha256 });
    await world.queue.add(0, record.id);
    await world.startUploader();
    await eventually(quiet);
    expect((await onlyReceipt()).receipt).toMatchObject({ objectBytes: other.length, checksum: null });
  });

  test('nothing, where HEAD is forbidden', async () => {
    world.s3.setPermissions('put_only');
    world.s3.addFault({ match: PUT, effect: { kind: 'reset', applied: true }, times: 1 });
    await world.startUploader();
    await world.sealAndQueue({ routed: {} });
    await eventually(quiet);
    expect((await onlyReceipt()).receipt).toMatchObject({ objectBytes: null, checksum: null, etag: '' });
  });

  test('of a spilled segment whose file is gone', async () => {
    const { record, object, spoolId } = await world.spill({ routed: { bucket: OTHER_BUCKET } });
    expect(await world.lane().spilledRecord(record.id)).toMatchObject({ v: 2, bucket: OTHER_BUCKET, spoolId });
    world.s3.addFault({ match: PUT, effect: { kind: 'reset', applied: true }, times: 1 });
    const uploader = await world.startUploader();
    await eventually(() => expect(world.s3.object(record.key, OTHER_BUCKET)).toBeDefined());
    await rm(world.spoolPath(record, 'spilled'), { force: true });
    await eventually(async () => expect(await world.admin.hlen(world.lane().keys.spilled)).toBe(0));
    expect((await onlyReceipt()).receipt).toMatchObject({
      ...{ v: 2, bucket: OTHER_BUCKET, objectBytes: object.length, checksum: checksumOf(object) },
    });
    await uploader.stop();
  });
});

describe('a segment file that is compressed in another way than its object', () => {
  test.each([
    ['none', 'zstd'],
    ['gzip', 'zstd'],
    ['zstd', 'none'],
  ] as const)('an object of %s is made from a file of %s', async (compression, spoolCompression) => {
    const uploader = await world.startUploader();
    const { record, object } = await world.sealAndQueue({ compression, routed: { spoolCompression } });
    await eventually(quiet);
    expect(world.s3.object(record.key)?.body.equals(object)).toBe(true);
    expect(await uploader.metric('sink_segments_rebuilt_total')).toBe(0);
  });

  test('also when the file is the only copy', async () => {
    await world.startUploader();
    const { record, object } = await world.spill({ compression: 'none', routed: { spoolCompression: 'zstd' } });
    await eventually(() => expect(world.s3.object(record.key)?.body.equals(object)).toBe(true));
  });

  test('and when there is none: the chunks have the content', async () => {
    const uploader = await world.startUploader();
    const { record, object } = await world.sealAndQueue({
      ...{ compression: 'gzip', file: false, routed: { spoolCompression: 'none' } },
    });
    await eventually(quiet);
    expect(world.s3.object(record.key)?.body.equals(object)).toBe(true);
    expect(await uploader.metric('sink_segments_rebuilt_total')).toBe(1);
  });
});

test('what is refused for one route is a problem of its segments, and the others go on', async () => {
  const policy = {
    Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::events/2026/*' }],
  };
  world.s3.setPermissions({ policy });
  const uploader = await world.startUploader();
  for (let n = 0; n < 6; n++) await world.sealAndQueue({ routed: {} });
  await eventually(() =>
    expect(uploader.problems()['segments']).toContain('s3:PutObject on arn:aws:s3:::events/quarantine/*'),
  );
  const plain = await world.sealAndQueue();
  await eventually(() => expect(world.s3.object(plain.record.key)).toBeDefined());
  expect(uploader.problems()).not.toHaveProperty('bucket');
  world.s3.setPermissions('all');
  await eventually(quiet);
  await eventually(() => expect(uploader.problems()).toEqual({}));
});

import { copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { NOTHING, type SealedSegment, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();

async function stored({ record, object }: SealedSegment, timeoutMs = 10_000): Promise<void> {
  await eventually(async () => expect(await world.left()).toEqual(NOTHING), { timeoutMs });
  expect(world.s3.object(record.key)?.body.equals(object)).toBe(true);
  await eventually(async () => expect(await world.spoolFiles(record)).toEqual([]));
}

describe('from the spool file', () => {
  test('a sealed segment becomes an object, and nothing of it stays but the receipt', async () => {
    const uploader = await world.startUploader();
    const segment = await world.sealAndQueue();
    await stored(segment);
    const object = world.s3.object(segment.record.key);
    expect(object).toMatchObject({
      contentType: 'application/x-ndjson',
      metadata: { 'content-sha256': segment.record.sha256, 'segment-id': segment.record.id },
    });
    const receipts = await world.admin.xrange(world.lane().keys.receipts, '-', '+');
    const [, fields = []] = receipts[0] ?? [];
    expect(JSON.parse(fields[3] ?? '')).toMatchObject({
      ...{ v: 1, id: segment.record.id, key: segment.record.key, etag: object?.etag, count: 3 },
      ...{ bytes: segment.content.length, objectBytes: segment.object.length, sha256: segment.record.sha256 },
    });
    expect(await uploader.metric('sink_uploads_total', { result: 'stored' })).toBe(1);
    expect(await uploader.metric('sink_uploaded_events_total')).toBe(3);
    expect(await uploader.metric('sink_uploaded_bytes_total')).toBe(segment.object.length);
    expect(await uploader.metric('sink_accepted_to_stored_seconds')).toBe(1);
    expect(await uploader.metric('sink_segments_rebuilt_total')).toBe(0);
    await eventually(() => expect(uploader.problems()).toEqual({}));
  });

  test('a large file is streamed, and read anew for each try', async () => {
    world.s3.addFault({
      match: { operation: 'PutObject' },
      effect: { kind: 'error', status: 500, code: 'InternalError' },
      times: 2,
    });
    await world.startUploader();
    const line = `{"data":"${'0123456789'.repeat(9_000)}"}`;
    const segment = await world.sealAndQueue({ chunks: [Array.from({ length: 100 }, () => line)] });
    await stored(segment);
    expect(segment.object.length).toBeGreaterThan(8 * 1024 * 1024);
  });

  test('lanes that are configured away are uploaded too', async () => {
    const segment = await world.seal({ lane: 3 });
    await world.admin.sadd(`{test}:lanes`, 3);
    await world.startUploader({ config: { lanes: 1 } });
    await eventually(async () => expect(await world.left(3)).toEqual(NOTHING));
    expect(world.s3.object(segment.record.key)?.body.equals(segment.object)).toBe(true);
  });
});

describe('without a sound file the object is made from the chunks', () => {
  const damages: Record<string, (segment: SealedSegment) => Promise<void>> = {
    'a byte of the object changed': async ({ record }) => {
      const path = world.spoolPath(record);
      const bytes = await readFile(path);
      bytes.writeUInt8(bytes.readUInt8(5) ^ 1, 5);
      await writeFile(path, bytes);
    },
    'cut off': async ({ record, object }) => truncate(world.spoolPath(record), object.length + 10),
    empty: async ({ record }) => truncate(world.spoolPath(record), 0),
    hostile: async ({ record }) =>
      writeFile(world.spoolPath(record), `${'x'.repeat(1_000)}{"v":1,"objectBytes":1e300}`),
    'another segment, sound, under this name': async ({ record }) => {
      const other = await world.seal({ chunks: [['{"id":"other"}']] });
      await copyFile(world.spoolPath(other.record), world.spoolPath(record));
    },
    'of this name with another record': async ({ record, content }) => {
      await writeFile(world.spoolPath(record), '');
      await world.spoolFile({ ...record, spool: 'b-elsewhere' }, content, JSON.stringify({ ...record, sha256: 'ff' }));
      await copyFile(world.spoolPath({ ...record, spool: 'b-elsewhere' }), world.spoolPath(record));
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    test(`the file is ${name}`, async () => {
      const segment = await world.seal({ compression: 'gzip' });
      await damage(segment);
      const uploader = await world.startUploader();
      await world.queue.add(0, segment.record.id);
      await eventually(async () => expect(await world.lane().hasRecord(segment.record.id)).toBe(false));
      expect(world.s3.object(segment.record.key)?.body.equals(segment.object)).toBe(true);
      await eventually(() => uploader.metric('sink_segments_rebuilt_total').then((rebuilt) => rebuilt >= 1));
      expect(uploader.log()).toContain('spool file not usable');
      await eventually(async () => expect(await world.spoolFiles(segment.record)).toEqual([]));
    });
  }

  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    test(`there is no file: byte for byte what the spool made (${compression})`, async () => {
      const chunks = Array.from({ length: 30 }, (_, chunk) =>
        Array.from({ length: 100 }, (_, line) => JSON.stringify({ id: `${chunk}-${line}`, data: 'x'.repeat(line) })),
      );
      const inFile = await world.seal({ compression, chunks });
      const fileBytes = await readFile(world.spoolPath(inFile.record));
      await mkdir(dirname(world.spoolPath(inFile.record)), { recursive: true });
      await writeFile(world.spoolPath(inFile.record), '');
      await world.startUploader();
      await world.queue.add(0, inFile.record.id);
      await stored(inFile);
      const body = world.s3.object(inFile.record.key)?.body ?? Buffer.alloc(0);
      expect(fileBytes.subarray(0, body.length).equals(body)).toBe(true);
      const content =
        compression === 'none' ? body : compression === 'gzip' ? gunzipSync(body) : zstdDecompressSync(body);
      expect(content.equals(inFile.content)).toBe(true);
    });
  }

  test('a large one goes by way of a file, of which nothing stays', async () => {
    const uploader = await world.startUploader();
    const line = `{"data":"${'0123456789'.repeat(9_000)}"}`;
    const segment = await world.sealAndQueue({ file: false, chunks: [Array.from({ length: 100 }, () => line)] });
    await stored(segment);
    expect(await uploader.metric('sink_segments_rebuilt_total')).toBe(1);
    const rebuilt = await world.rebuiltFiles();
    expect(rebuilt).toEqual([]);
  });

  test('without chunks and without a file the record stays, the trouble is named, and others go on', async () => {
    const lost = await world.sealAndQueue({ file: false });
    const chunk = lost.record.slices[0]?.[0] ?? '';
    await world.admin.xdel(world.lane().keys.chunks, chunk);
    const uploader = await world.startUploader();
    await eventually(() => expect(uploader.problems()['segments']).toContain(lost.record.id));
    const other = await world.sealAndQueue();
    await eventually(() => expect(world.s3.object(other.record.key)).toBeDefined());
    expect(uploader.problems()['segments']).toMatch(/1 sealed segments .* keep the Redis data/);
    expect(await world.lane().hasRecord(lost.record.id)).toBe(true);
    // Once the file is back, the upload succeeds.
    await world.spoolFile(lost.record, lost.content);
    await eventually(() => expect(uploader.problems()).toEqual({}));
    expect(world.s3.object(lost.record.key)?.body.equals(lost.object)).toBe(true);
  });
});

test('a record of a newer release is left untouched, and said so', async () => {
  const segment = await world.sealAndQueue();
  const newer = JSON.stringify({ ...segment.record, v: 3, unknown: true });
  await world.admin.hset(world.lane().keys.records, segment.record.id, newer);
  const uploader = await world.startUploader();
  await eventually(() => expect(uploader.problems()['segments']).toMatch(/newer release sealed this segment/));
  expect(await world.admin.hget(world.lane().keys.records, segment.record.id)).toBe(newer);
  expect(await world.spoolFiles(segment.record)).toHaveLength(1);
});

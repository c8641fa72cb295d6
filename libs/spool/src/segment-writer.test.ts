import { temporaryDirectory } from '@sink/testing';
import type { Compression } from '@sink/domain';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compressContent } from './compress-content.ts';
import type { InstanceSpool } from './instance-spool.ts';
import { openSegment, openSpool } from './test/open-spool.ts';

const compressions: readonly Compression[] = ['none', 'gzip', 'zstd'];
const decompress: Record<Compression, (bytes: Buffer) => Buffer> = {
  none: (bytes) => bytes,
  gzip: (bytes) => gunzipSync(bytes),
  zstd: (bytes) => zstdDecompressSync(bytes),
};

async function newSpool(): Promise<{ spool: InstanceSpool; directory: string; files: () => string[] }> {
  const directory = temporaryDirectory('spool');
  const spool = await openSpool(directory, 'batcher-1');
  return { spool, directory, files: () => readdirSync(join(directory, 'batcher-1')).sort() };
}

/** Lines that compress about as events do. */
function events(count: number, seed = 1): Buffer {
  let state = seed;
  const lines: string[] = [];
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    lines.push(
      `{"specversion":"1.0","id":"${state.toString(16)}-${index}","source":"/sensors","type":"t","data":${state}}\n`,
    );
  }
  return Buffer.from(lines.join(''));
}

function split(content: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let offset = 0;
  for (let turn = 0; offset < content.length; turn++) {
    const bytes = Math.max(1, sizes[turn % sizes.length] ?? content.length);
    pieces.push(content.subarray(offset, offset + bytes));
    offset += bytes;
  }
  return pieces;
}

describe('a segment writer', () => {
  test.each(compressions)('%s: what is written can be opened, verified, read and streamed', async (compression) => {
    const { spool, directory, files } = await newSpool();
    const content = events(20_000);
    const writer = await spool.createSegment({ segmentId: 'segment-1', compression });
    for (const piece of split(content, [100_000, 1, 777])) await writer.write(piece);
    expect(files()).toEqual(['segment-1.open']);
    expect(await openSegment(directory, 'batcher-1', 'segment-1')).toBeNull();

    const sealedContent = await writer.finish();
    const record = JSON.stringify({ key: 'a/b', text: 'ü\u2028"\\\ud800' });
    await writer.seal(record);
    expect(files()).toEqual(['segment-1.segment']);

    const file = await openSegment(directory, 'batcher-1', 'segment-1');
    if (!file) throw new Error('not found');
    const body = await file.read();
    expect(file).toMatchObject({ ...sealedContent, recordJson: record, compression });
    expect(sealedContent).toEqual({
      sha256: createHash('sha256').update(content).digest('hex'),
      contentBytes: content.length,
      objectBytes: body.length,
      crc32: crc32(body),
    });
    expect(decompress[compression](body).equals(content)).toBe(true);
    expect(Buffer.concat((await file.stream().toArray()) as Buffer[]).equals(body)).toBe(true);
    expect(await file.verify()).toBe(true);
    // The object's bytes are at the start of the file, unchanged.
    expect(
      readFileSync(join(directory, 'batcher-1', 'segment-1.segment'))
        .subarray(0, body.length)
        .equals(body),
    ).toBe(true);

    await file.remove();
    await file.remove();
    expect(await openSegment(directory, 'batcher-1', 'segment-1')).toBeNull();
    await spool.close();
  });

  test.each(compressions)(
    '%s: the object follows from the content alone, however and whenever it was written',
    async (compression) => {
      const { spool, directory } = await newSpool();
      let segments = 0;
      const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 700_000 }), fc.integer({ min: 1, max: 3_000 })), {
        minLength: 1,
        maxLength: 8,
      });
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: 9_000 }),
          fc.integer({ min: 1, max: 1_000 }),
          sizes,
          sizes,
          fc.infiniteStream(fc.nat(3)),
          async (count, seed, writtenSizes, rebuiltSizes, pauses) => {
            const content = events(count, seed);
            const segmentId = `segment-${++segments}`;
            const writer = await spool.createSegment({ segmentId, compression });
            for (const piece of split(content, writtenSizes)) {
              const wait = writer.write(piece);
              if (pauses.next().value === 0) await nextTurn();
              await wait;
            }
            const { crc32: writtenCrc32 } = await writer.finish();
            await writer.seal('{}');
            const rebuilt = await compressContent(split(content, rebuiltSizes), compression);
            const written = await (await openSegment(directory, 'batcher-1', segmentId))?.read();
            expect(written?.equals(rebuilt.body)).toBe(true);
            expect(rebuilt.crc32).toBe(writtenCrc32);
            expect(decompress[compression](rebuilt.body).equals(content)).toBe(true);
          },
        ),
        { numRuns: 25 },
      );
      await spool.close();
    },
  );

  test('content in 300,000 pieces is content like any other', async () => {
    const content = events(4_000).subarray(0, 300_000);
    const { body } = await compressContent(split(content, [1]), 'none');
    expect(body.equals(content)).toBe(true);
  });

  test('contents of exactly one block, one byte more and one less keep their bytes', async () => {
    for (const compression of compressions) {
      for (const bytes of [0, 1, 131_071, 131_072, 131_073, 262_144]) {
        const content = events(4_000).subarray(0, bytes);
        const whole = await compressContent([content], compression);
        const pieces = await compressContent(split(content, [1_021]), compression);
        expect(pieces.body.equals(whole.body)).toBe(true);
        expect(decompress[compression](whole.body).equals(content)).toBe(true);
      }
    }
  });

  test('levels change the bytes, and one the codec does not have is refused and leaves no file', async () => {
    const { spool, files } = await newSpool();
    const content = [events(5_000)];
    for (const [compression, levelMax] of [
      ['gzip', 9],
      ['zstd', 19],
    ] as const) {
      const fast = await compressContent(content, compression, 1);
      const small = await compressContent(content, compression, levelMax);
      expect(small.body.length).toBeLessThan(fast.body.length);
    }
    await expect(spool.createSegment({ segmentId: 's', compression: 'gzip', compressionLevel: 22 })).rejects.toThrow(
      'level 22 is not 1 to 9',
    );
    expect(files()).toEqual([]);
  });

  test.each(compressions)(
    '%s: a discard in the middle of writing leaves nothing, and later calls fail',
    async (compression) => {
      const { spool, files } = await newSpool();
      const writer = await spool.createSegment({ segmentId: 's', compression });
      const content = events(60_000);
      for (const piece of split(content, [1_000_000])) void writer.write(piece);
      await Promise.all([writer.discard(), writer.discard()]);
      expect(files()).toEqual([]);
      expect(() => writer.write(content)).toThrow('after finish or discard');
      await expect(writer.finish()).rejects.toThrow();
      await spool.close();
    },
  );

  test.each(compressions)('%s: a discard while finishing makes finish fail', async (compression) => {
    const { spool, files } = await newSpool();
    const writer = await spool.createSegment({ segmentId: 's', compression });
    void writer.write(events(30_000));
    const finishing = expect(writer.finish()).rejects.toThrow('it was discarded');
    await writer.discard();
    await finishing;
    expect(files()).toEqual([]);
  });

  test('a discard after the seal changes nothing; a discard during it waits for it', async () => {
    const { spool, files } = await newSpool();
    const writer = await spool.createSegment({ segmentId: 's', compression: 'none' });
    await writer.finish();
    const sealing = writer.seal('{}');
    await writer.discard();
    await sealing;
    await writer.discard();
    expect(files()).toEqual(['s.segment']);
    expect(() => writer.seal('{}')).toThrow('twice');
  });

  test.each(compressions)(
    '%s: memory stays bounded whatever the size, when the writer is waited for',
    async (compression) => {
      const { spool } = await newSpool();
      const writer = await spool.createSegment({ segmentId: 's', compression });
      const piece = events(8_000);
      const before = process.memoryUsage().rss;
      let grownBytesMax = 0;
      const pieces = Math.ceil((400 * 1024 * 1024) / piece.length);
      for (let turn = 0; turn < pieces; turn++) {
        await writer.write(piece);
        if (turn % 16 === 0) grownBytesMax = Math.max(grownBytesMax, process.memoryUsage().rss - before);
      }
      await writer.finish();
      await writer.discard();
      expect(grownBytesMax).toBeLessThan(120 * 1024 * 1024);
      await spool.close();
    },
  );

  test('a directory that is removed underneath is an ordinary error: spool_gone', async () => {
    const { spool, directory } = await newSpool();
    const writer = await spool.createSegment({ segmentId: 's', compression: 'gzip' });
    await writer.write(events(10));
    rmSync(join(directory, 'batcher-1'), { recursive: true });
    await writer.finish();
    await expect(writer.seal('{}')).rejects.toMatchObject({ code: 'spool_gone', retryable: false });
    await writer.discard();
    await expect(spool.createSegment({ segmentId: 't', compression: 'none' })).rejects.toMatchObject({
      code: 'spool_gone',
    });
    await spool.close();
  });

  test('a record that does not fit into the footer is refused', async () => {
    const { spool, files } = await newSpool();
    const writer = await spool.createSegment({ segmentId: 's', compression: 'none' });
    await writer.finish();
    await expect(writer.seal('x'.repeat(17 * 1024 * 1024))).rejects.toMatchObject({ code: 'record_too_large' });
    await writer.discard();
    expect(files()).toEqual([]);
  });

  test('a promise of backpressure is given when the disk is behind, and not before', async () => {
    const { spool } = await newSpool();
    const writer = await spool.createSegment({ segmentId: 's', compression: 'none' });
    expect(writer.write(Buffer.alloc(1_000_000))).toBeUndefined();
    const wait = writer.write(Buffer.alloc(1_000_000));
    expect(wait).toBeInstanceOf(Promise);
    await wait;
    expect((await writer.finish()).objectBytes).toBe(2_000_000);
    await writer.discard();
  });
});

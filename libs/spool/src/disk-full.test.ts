import { mountTinyDisk } from '@sink/testing';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Compressor } from './compressor.ts';
import { FileSink } from './file-sink.ts';
import type { SegmentWriter } from './segment-writer.ts';
import { openSegment, openSpool } from './test/open-spool.ts';

const tinyDisk = mountTinyDisk();
afterAll(() => tinyDisk?.unmount());

async function fill(writer: SegmentWriter): Promise<void> {
  for (let turn = 0; turn < 80; turn++) await writer.write(randomBytes(100_000));
  await writer.finish();
  await writer.seal('{}');
}

describe.skipIf(tinyDisk === null)('on a disk that becomes full (skipped where no tmpfs may be mounted)', () => {
  test.each(['none', 'gzip', 'zstd'] as const)(
    '%s: a write fails with disk_full, and another succeeds when there is room',
    async (compression) => {
      if (tinyDisk === null) return;
      const spool = await openSpool(join(tinyDisk.path, 'spool'), 'batcher-1');
      const writer = await spool.createSegment({ segmentId: 'big', compression });
      await expect(fill(writer)).rejects.toMatchObject({ code: 'disk_full', retryable: true });
      await writer.discard();
      expect(readdirSync(join(tinyDisk.path, 'spool', 'batcher-1'))).toEqual([]);

      const small = await spool.createSegment({ segmentId: 'small', compression });
      await small.write(randomBytes(100_000));
      await small.finish();
      await small.seal('{}');
      const file = await openSegment(join(tinyDisk.path, 'spool'), 'batcher-1', 'small');
      expect(await file?.verify()).toBe(true);
      await file?.remove();
      await spool.close();
    },
  );

  test('a footer that no longer fits is disk_full too, and nothing looks sealed', async () => {
    if (tinyDisk === null) return;
    const spool = await openSpool(join(tinyDisk.path, 'spool'), 'batcher-2');
    const writer = await spool.createSegment({ segmentId: 'segment', compression: 'none' });
    await writer.write(randomBytes(1_000));
    await writer.finish();
    const free = tinyDisk.fill();
    await expect(writer.seal(JSON.stringify('x'.repeat(100_000)))).rejects.toMatchObject({ code: 'disk_full' });
    free();
    await writer.discard();
    await spool.close();
    expect(existsSync(join(tinyDisk.path, 'spool', 'batcher-2'))).toBe(false);
  });
});

describe.skipIf(!existsSync('/dev/full'))('a file that takes nothing (/dev/full)', () => {
  test('append, room and flush all tell of it, and memory is given back', async () => {
    const file = await open('/dev/full', 'w');
    const sink = new FileSink(file, 'writing the test file');
    sink.append(randomBytes(2_000_000));
    await expect(sink.room()).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(/^writing the test file: ENOSPC/) as string,
    });
    expect(() => sink.append(Buffer.from('x'))).toThrow('ENOSPC');
    await expect(sink.flush()).rejects.toMatchObject({ code: 'disk_full' });
    await sink.abort();
    await file.close();
  });

  test('a compressor whose output fails in the end fails as well, and does not hang', async () => {
    const file = await open('/dev/full', 'w');
    const sink = new FileSink(file, 'writing the test file');
    const compressor = new Compressor('zstd', 1, sink);
    compressor.append(randomBytes(3_000_000));
    await expect(compressor.end()).rejects.toMatchObject({ code: 'disk_full' });
    await compressor.abort();
    await sink.abort();
    await file.close();
  });
});

describe('a compressor', () => {
  test('whose output throws only at the last bytes fails with that error', async () => {
    const compressor = new Compressor('gzip', 1, {
      append: (bytes) => {
        if (bytes.length > 10) throw new Error('no more');
      },
      room: () => undefined,
    });
    compressor.append(Buffer.from('a line\n'));
    await expect(compressor.end()).rejects.toThrow('no more');
  });
});

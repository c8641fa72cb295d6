import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { RECORD_VERSION, type SegmentRecord } from '@sink/domain';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { ObjectBuilder } from './object-builder.ts';

const lines = Array.from({ length: 500 }, (_, index) => Buffer.from(`{"id":"${index}"}\n`));

function recordOf(compression: SegmentRecord['compression']): SegmentRecord {
  return {
    ...{ v: RECORD_VERSION, id: 'segment', key: 'key', partition: '2026/11/23/10', slices: [], count: lines.length },
    ...{ bytes: Buffer.concat(lines).length, sha256: '', compression, spool: 'b', acceptedAtMs: 0, sealedAtMs: 0 },
  };
}

async function* content(failAfter = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer, void, void> {
  for (const [index, line] of lines.entries()) {
    if (index === failAfter) throw new Error('a chunk is gone');
    yield line;
  }
}

describe('an object that is built again', () => {
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    test(`is the same in memory and in a file (${compression}), and can be read twice`, async () => {
      const directory = temporaryDirectory('rebuilt');
      const inMemory = await new ObjectBuilder({ directory }).build(recordOf(compression), content());
      const inFile = await new ObjectBuilder({ directory, inMemoryBytesMax: 100 }).build(
        recordOf(compression),
        content(),
      );
      if (!Buffer.isBuffer(inMemory.body) || Buffer.isBuffer(inFile.body)) throw new Error('not where they should be');
      const { body, objectBytes, crc32 } = inMemory;
      expect(inFile).toMatchObject({ objectBytes, crc32 });
      expect((await buffer(inFile.body())).equals(body)).toBe(true);
      expect((await buffer(inFile.body())).equals(body)).toBe(true);
      await inFile.release?.();
    });
  }

  test('leaves no file, whether it was built or not', async () => {
    const directory = temporaryDirectory('rebuilt');
    const builder = new ObjectBuilder({ directory, inMemoryBytesMax: 100 });
    await expect(builder.build(recordOf('gzip'), content(300))).rejects.toThrow('a chunk is gone');
    const [first, second] = await Promise.all([1, 2].map(() => builder.build(recordOf('gzip'), content())));
    await first?.release?.();
    await second?.release?.();
    const [instance = ''] = await readdir(directory);
    expect(await readdir(join(directory, instance))).toEqual([]);
    await builder.close();
    expect(await readdir(directory)).toEqual([]);
  });

  test('whose process died is removed when it is old, and a neighbour at work is left alone', async () => {
    const directory = temporaryDirectory('rebuilt');
    const hourAgo = new Date(Date.now() - 3_600_000);
    for (const instance of ['u-dead', 'u-alive']) {
      await mkdir(join(directory, instance));
      for (const name of ['r1.open', 'r2.segment']) await writeFile(join(directory, instance, name), 'x');
      for (const name of ['r1.open', 'r2.segment', '.'])
        await utimes(join(directory, instance, name), hourAgo, hourAgo);
    }
    await writeFile(join(directory, 'u-alive', 'r2.segment'), 'y');
    expect(await new ObjectBuilder({ directory }).tidy(600_000, Date.now())).toBe(2);
    expect(await readdir(directory)).toEqual(['u-alive']);
    expect(await new ObjectBuilder({ directory: join(directory, 'nothing-there') }).tidy(1, Date.now())).toBe(0);
  });
});

import { temporaryDirectory } from '@sink/testing';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SpoolFile } from './paths.ts';
import { SpoolDirectory } from './spool-directory.ts';
import { openSpool } from './test/open-spool.ts';

const none = { compression: 'none' } as const;

function listInstance(directory: string, instance: string): Promise<SpoolFile[]> {
  return new SpoolDirectory(directory).files(instance);
}

describe('a spool', () => {
  test('lists its instances and their files, and passes over what is not ours', async () => {
    const directory = join(temporaryDirectory('spool'), 'made', 'here');
    const spool = await openSpool(directory, 'batcher-1');
    await openSpool(directory, 'batcher-2');
    writeFileSync(join(directory, 'a-file'), '');
    mkdirSync(join(directory, 'lost+found'));
    expect((await new SpoolDirectory(directory).instances()).sort()).toEqual(['batcher-1', 'batcher-2']);

    const open = await spool.createSegment({ segmentId: 'open-1', ...none });
    const sealed = await spool.createSegment({ segmentId: 'sealed-1', ...none });
    await sealed.finish();
    await sealed.seal('{}');
    for (const name of ['notes.txt', '.open', '.segment', 'a b.segment']) {
      writeFileSync(join(directory, 'batcher-1', name), '');
    }
    expect((await listInstance(directory, 'batcher-1')).sort((a, b) => a.segmentId.localeCompare(b.segmentId))).toEqual(
      [
        { segmentId: 'open-1', state: 'open' },
        { segmentId: 'sealed-1', state: 'sealed' },
      ],
    );
    expect(await listInstance(directory, 'batcher-2')).toEqual([]);
    expect(await listInstance(directory, 'no-instance')).toEqual([]);
    await open.discard();
  });

  test('is private, with its folders and files, unless its parent hands on its group', async () => {
    const parent = temporaryDirectory('spool');
    const modesIn = async (directory: string): Promise<readonly string[]> => {
      await new SpoolDirectory(directory).id();
      const writer = await (await openSpool(directory, 'b-1')).createSegment({ segmentId: 's-1', ...none });
      await writer.finish();
      await writer.seal('{}');
      const paths = ['', 'spool-id', 'b-1', 'b-1/s-1.segment'].map((name) => join(directory, name));
      return paths.map((path) => (statSync(path).mode & 0o7777).toString(8));
    };
    expect(await modesIn(join(parent, 'spool'))).toEqual(['700', '600', '700', '600']);
    chmodSync(parent, 0o2775);
    expect(await modesIn(join(parent, 'shared'))).toEqual(['2770', '660', '2770', '660']);
  });

  test("close discards what is open, and nothing that is sealed or another instance's", async () => {
    const directory = temporaryDirectory('spool');
    const spool = await openSpool(directory, 'batcher-1');
    const neighbour = await openSpool(directory, 'batcher-2');
    const theirs = await neighbour.createSegment({ segmentId: 'theirs', ...none });
    const sealed = await spool.createSegment({ segmentId: 'sealed', ...none });
    await sealed.finish();
    await sealed.seal('{}');
    for (const segmentId of ['a', 'b', 'c']) {
      const writer = await spool.createSegment({ segmentId, compression: 'zstd' });
      await writer.write(Buffer.alloc(500_000));
    }
    await spool.close();
    expect(await listInstance(directory, 'batcher-1')).toEqual([{ segmentId: 'sealed', state: 'sealed' }]);
    expect(await listInstance(directory, 'batcher-2')).toEqual([{ segmentId: 'theirs', state: 'open' }]);
    await theirs.discard();
  });

  test('close leaves the sealed, and no empty directory', async () => {
    const directory = temporaryDirectory('spool');
    const spool = await openSpool(directory, 'batcher-1');
    const sealed = await spool.createSegment({ segmentId: 'sealed', ...none });
    await sealed.finish();
    await sealed.seal('{}');
    await spool.createSegment({ segmentId: 'open', ...none });
    await spool.close();
    expect(await listInstance(directory, 'batcher-1')).toEqual([{ segmentId: 'sealed', state: 'sealed' }]);

    expect(await new SpoolDirectory(directory).removeIfEmpty('batcher-1')).toBe(false);
    await new SpoolDirectory(directory).remove('batcher-1', { segmentId: 'sealed', state: 'sealed' });
    await new SpoolDirectory(directory).remove('batcher-1', { segmentId: 'sealed', state: 'sealed' });
    expect(await new SpoolDirectory(directory).removeIfEmpty('batcher-1')).toBe(true);
    expect(await new SpoolDirectory(directory).removeIfEmpty('batcher-1')).toBe(true);
    expect(existsSync(join(directory, 'batcher-1'))).toBe(false);
  });

  test('a segment id is used once', async () => {
    const directory = temporaryDirectory('spool');
    const spool = await openSpool(directory, 'batcher-1');
    const writer = await spool.createSegment({ segmentId: 's', ...none });
    const again = { code: 'segment_exists', retryable: false };
    await expect(spool.createSegment({ segmentId: 's', ...none })).rejects.toMatchObject(again);
    await writer.finish();
    await writer.seal('{}');
    await expect(spool.createSegment({ segmentId: 's', ...none })).rejects.toMatchObject(again);
    expect(await listInstance(directory, 'batcher-1')).toEqual([{ segmentId: 's', state: 'sealed' }]);
  });

  test('many segments sealed at once are all there', async () => {
    const directory = temporaryDirectory('spool');
    const spool = await openSpool(directory, 'batcher-1');
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const writer = await spool.createSegment({ segmentId: `s${index}`, compression: 'gzip' });
        await writer.write(Buffer.from(`{"id":"${index}"}\n`));
        await writer.finish();
        await writer.seal('{}');
      }),
    );
    const files = await listInstance(directory, 'batcher-1');
    expect(files.filter((file) => file.state === 'sealed')).toHaveLength(40);
  });

  test('an instance name that leads elsewhere is refused', async () => {
    for (const name of ['..', 'a/b', '', 'a.b']) {
      await expect(openSpool(temporaryDirectory('spool'), name)).rejects.toMatchObject({ code: 'bad_name' });
    }
  });
});

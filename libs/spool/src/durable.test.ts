import { readdirSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { SpoolDirectory } from './spool-directory.ts';
import { openSpool } from './test/open-spool.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** At each fsync: whether it was of a directory, and which names stood in the instance's folder then. */
async function watchSyncs(folder: string): Promise<{ of: 'file' | 'directory'; names: string[] }[]> {
  const syncs: { of: 'file' | 'directory'; names: string[] }[] = [];
  const some = await open(folder, 'r');
  const prototype = Object.getPrototypeOf(some) as FileHandle;
  await some.close();
  const original: (this: FileHandle) => Promise<void> = Reflect.get<FileHandle, 'sync'>(prototype, 'sync');
  vi.spyOn(prototype, 'sync').mockImplementation(async function sync(this: FileHandle) {
    const of = (await this.stat()).isDirectory() ? 'directory' : 'file';
    await original.call(this);
    syncs.push({ of, names: readdirSync(folder) });
  });
  return syncs;
}

test('invariant 8: a segment has its final name only after its bytes are fsynced, and the name is fsynced too', async () => {
  const directory = temporaryDirectory('durable');
  const spool = await openSpool(directory, 'b-1');
  const writer = await spool.createSegment({ segmentId: 's-1', compression: 'gzip' });
  await writer.write(Buffer.from('{"id":"1"}\n'));
  await writer.finish();
  const syncs = await watchSyncs(join(directory, 'b-1'));
  await writer.seal('{}');
  expect(syncs).toEqual([
    { of: 'file', names: ['s-1.open'] },
    { of: 'directory', names: ['s-1.segment'] },
  ]);
});

test('invariant 2: a file is marked as spilled durably, before a caller may rely on it', async () => {
  const directory = temporaryDirectory('durable');
  const spool = await openSpool(directory, 'b-1');
  const writer = await spool.createSegment({ segmentId: 's-1', compression: 'none' });
  await writer.finish();
  await writer.seal('{}');
  const syncs = await watchSyncs(join(directory, 'b-1'));
  await new SpoolDirectory(directory).mark('b-1', 's-1');
  // A process that finds it marked cannot know whether the other one reached its fsync.
  await new SpoolDirectory(directory).mark('b-1', 's-1');
  const sync = { of: 'directory', names: ['s-1.spilled'] };
  expect(syncs).toEqual([sync, sync]);
});

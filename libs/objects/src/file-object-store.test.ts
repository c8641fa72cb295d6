import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { anObject, failureOf, noAbort, objectStoreConformance } from './object-store.conformance.ts';
import type { StoreHarness } from './object-store.conformance.ts';

function storeIn(directory: string): ObjectStore {
  return createObjectStore({ kind: 'file', directory }, { ifNoneMatch: 'auto' });
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((e) => relative(directory, join(e.parentPath, e.name)));
}

async function startFiles(): Promise<StoreHarness> {
  const parent = await mkdtemp(join(tmpdir(), 'sink-objects-'));
  const directory = join(parent, 'made', 'by', 'the store');
  return {
    store: storeIn(directory),
    read: (key) => readFile(join(directory, key)).catch(() => null),
    keys: () => filesIn(directory),
    plant: async (key, body) => {
      await mkdir(dirname(join(directory, key)), { recursive: true });
      await writeFile(join(directory, key), body);
    },
    close: () => rm(parent, { recursive: true }),
  };
}

objectStoreConformance('a directory', startFiles);

describe('a directory', () => {
  let directory: string;
  let store: ObjectStore;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sink-objects-'));
    store = storeIn(directory);
  });
  afterEach(() => rm(directory, { recursive: true }));

  it.each(['../x', 'a/../../x', '/x', 'a//b', 'a/./b', 'a/', '', '.incoming/x', 'a/b\0c'])(
    'refuses the key %j, which is no place for a file of ours',
    async (key) => {
      const error = await failureOf(store.put({ ...anObject('x'), key }, noAbort));
      expect(error).toMatchObject({ code: 'bad_key', kind: 'operator' });
      expect(await filesIn(directory)).toEqual([]);
    },
  );

  it('names a file in the place of a directory, and the other way round', async () => {
    await writeFile(join(directory, 'a'), 'x');
    expect(await failureOf(store.put({ ...anObject('x'), key: 'a/b' }, noAbort))).toMatchObject({
      code: 'bad_key',
      kind: 'operator',
    });
    await mkdir(join(directory, 'd'));
    expect(await failureOf(store.put({ ...anObject('x'), key: 'd' }, noAbort))).toMatchObject({ code: 'key_taken' });
  });

  it('a damaged compressed file under our key is not taken for ours', async () => {
    const object = anObject('{"id":"1"}\n');
    await mkdir(dirname(join(directory, object.key)), { recursive: true });
    await writeFile(join(directory, object.key), Buffer.from('1f8b0800deadbeef', 'hex'));
    expect(await failureOf(store.put(object, noAbort))).toMatchObject({ code: 'key_taken' });
  });

  it('creates the directory again after it was removed', async () => {
    await store.put(anObject('1'), noAbort);
    await rm(directory, { recursive: true });
    await store.put(anObject('2'), noAbort);
    expect(await filesIn(directory)).toEqual([anObject('2').key]);
  });

  it('check removes what a crash left long ago, and no file of a live neighbour', async () => {
    await store.check(noAbort);
    const old = new Date(Date.now() - 25 * 60 * 60 * 1000);
    await writeFile(join(directory, '.incoming', 'left'), 'x');
    await utimes(join(directory, '.incoming', 'left'), old, old);
    await writeFile(join(directory, '.incoming', 'live'), 'x');
    await store.check(noAbort);
    expect(await filesIn(directory)).toEqual(['.incoming/live']);
  });

  it.skipIf(process.getuid?.() === 0)('says what to do about a directory that is not writable', async () => {
    await chmod(directory, 0o500);
    const error = await failureOf(store.check(noAbort));
    expect(error).toMatchObject({ code: 'access_denied', kind: 'operator' });
    expect(error.remedy).toContain(directory);
    await chmod(directory, 0o700);
  });

  it('says what to do about a directory that is a file', async () => {
    const file = join(directory, 'file');
    await writeFile(file, 'x');
    expect((await stat(file)).isFile()).toBe(true);
    expect(await failureOf(storeIn(file).check(noAbort))).toMatchObject({ code: 'bad_key', kind: 'operator' });
  });
});

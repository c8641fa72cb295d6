import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { SpoolDirectory } from './spool-directory.ts';
import { openSpool } from './test/open-spool.ts';

async function sealedIn(directory: string): Promise<SpoolDirectory> {
  const spool = await openSpool(directory, 'b-1');
  const writer = await spool.createSegment({ segmentId: 's-1', compression: 'none' });
  await writer.write(Buffer.from('{"id":"1"}\n'));
  await writer.finish();
  await writer.seal('{}');
  return new SpoolDirectory(directory);
}

describe('the state of a segment file', () => {
  test('a removal in the state it had before does not remove it', async () => {
    const spool = await sealedIn(temporaryDirectory('spill'));
    expect(await spool.mark('b-1', 's-1')).toBe(true);
    await spool.remove('b-1', { segmentId: 's-1', state: 'sealed' });
    expect(await spool.files('b-1')).toEqual([{ segmentId: 's-1', state: 'spilled' }]);
    expect(await spool.unmark('b-1', 's-1')).toBe(true);
    await spool.remove('b-1', { segmentId: 's-1', state: 'spilled' });
    expect(await spool.files('b-1')).toEqual([{ segmentId: 's-1', state: 'sealed' }]);
  });

  test('a second change is none, and without a file there is nothing to change', async () => {
    const spool = await sealedIn(temporaryDirectory('spill'));
    await spool.mark('b-1', 's-1');
    expect(await spool.mark('b-1', 's-1')).toBe(true);
    expect(await spool.mark('b-1', 's-2')).toBe(false);
    expect(await spool.mark('b-2', 's-1')).toBe(false);
  });

  test('a file is read in both states, and in no other', async () => {
    const spool = await sealedIn(temporaryDirectory('spill'));
    expect(await spool.open('b-1', 's-1')).toMatchObject({ state: 'sealed' });
    await spool.mark('b-1', 's-1');
    const file = await spool.open('b-1', 's-1');
    expect(file).toMatchObject({ state: 'spilled', recordJson: '{}' });
    expect([await file?.verify(), (await file?.read())?.toString()]).toEqual([true, '{"id":"1"}\n']);
    await spool.quarantine('b-1', 's-1');
    expect(await spool.open('b-1', 's-1')).toBeNull();
  });
});

describe('the id of a spool directory', () => {
  test('is made once, also by many at the same time, and leaves nothing beside it', async () => {
    const directory = join(temporaryDirectory('spill'), 'spool');
    const ids = await Promise.all(Array.from({ length: 20 }, () => new SpoolDirectory(directory).id()));
    expect(new Set(ids).size).toBe(1);
    expect(await new SpoolDirectory(directory).id()).toBe(ids[0]);
    expect(readdirSync(directory)).toEqual(['spool-id']);
    expect(await new SpoolDirectory(temporaryDirectory('other')).id()).not.toBe(ids[0]);
  });

  test('that is damaged is an error, and no new one is made: files spilled under the old id would have no uploader', async () => {
    const directory = temporaryDirectory('spill');
    writeFileSync(join(directory, 'spool-id'), '');
    await expect(new SpoolDirectory(directory).id()).rejects.toMatchObject({ code: 'segment_damaged' });
    expect(existsSync(join(directory, 'spool-id'))).toBe(true);
  });
});

test('what a spool takes, and what its disk has', async () => {
  const directory = temporaryDirectory('spill');
  const spool = await sealedIn(directory);
  writeFileSync(join(directory, 'b-1', 'x'), Buffer.alloc(5_000));
  expect(await spool.usedBytes()).toBeGreaterThan(5_000);
  expect(await spool.usedBytes()).toBeLessThan(6_000);
  expect(await new SpoolDirectory(join(directory, 'nothing')).usedBytes()).toBe(0);
  const { freeBytes, totalBytes } = await spool.disk();
  expect(freeBytes).toBeGreaterThan(0);
  expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
});

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { markSpilled, quarantine, unmarkSpilled } from './mark.ts';
import { openSegment } from './segment-file.ts';
import { spoolIdOf } from './spool-id.ts';
import { listInstance, openSpool, removeFile } from './spool.ts';
import { diskOf, spoolBytes } from './usage.ts';

async function sealedIn(directory: string): Promise<void> {
  const spool = await openSpool(directory, 'b-1');
  const writer = await spool.createSegment({ segmentId: 's-1', compression: 'none' });
  await writer.write(Buffer.from('{"id":"1"}\n'));
  await writer.finish();
  await writer.seal('{}');
}

describe('the state of a segment file', () => {
  test('who removes it as what it was, does not remove it', async () => {
    const directory = temporaryDirectory('spill');
    await sealedIn(directory);
    expect(await markSpilled(directory, 'b-1', 's-1')).toBe(true);
    await removeFile(directory, 'b-1', 's-1', 'sealed');
    expect(await listInstance(directory, 'b-1')).toEqual([{ segmentId: 's-1', state: 'spilled' }]);
    expect(await unmarkSpilled(directory, 'b-1', 's-1')).toBe(true);
    await removeFile(directory, 'b-1', 's-1', 'spilled');
    expect(await listInstance(directory, 'b-1')).toEqual([{ segmentId: 's-1', state: 'sealed' }]);
  });

  test('a second change is none, and without a file there is nothing to change', async () => {
    const directory = temporaryDirectory('spill');
    await sealedIn(directory);
    await markSpilled(directory, 'b-1', 's-1');
    expect(await markSpilled(directory, 'b-1', 's-1')).toBe(true);
    expect(await markSpilled(directory, 'b-1', 's-2')).toBe(false);
    expect(await markSpilled(directory, 'b-2', 's-1')).toBe(false);
  });

  test('a file is read in both states, and in no other', async () => {
    const directory = temporaryDirectory('spill');
    await sealedIn(directory);
    expect(await openSegment(directory, 'b-1', 's-1')).toMatchObject({ state: 'sealed' });
    await markSpilled(directory, 'b-1', 's-1');
    const file = await openSegment(directory, 'b-1', 's-1');
    expect(file).toMatchObject({ state: 'spilled', recordJson: '{}' });
    expect([await file?.verify(), (await file?.read())?.toString()]).toEqual([true, '{"id":"1"}\n']);
    await quarantine(directory, 'b-1', 's-1');
    expect(await openSegment(directory, 'b-1', 's-1')).toBeNull();
  });
});

describe('the id of a spool directory', () => {
  test('is made once, also by many at the same time, and leaves nothing beside it', async () => {
    const directory = join(temporaryDirectory('spill'), 'spool');
    const ids = await Promise.all(Array.from({ length: 20 }, () => spoolIdOf(directory)));
    expect(new Set(ids).size).toBe(1);
    expect(await spoolIdOf(directory)).toBe(ids[0]);
    expect(readdirSync(directory)).toEqual(['spool-id']);
    expect(await spoolIdOf(temporaryDirectory('other'))).not.toBe(ids[0]);
  });

  test('that is damaged is said, and not made anew: what was spilled under it would be nobody’s', async () => {
    const directory = temporaryDirectory('spill');
    writeFileSync(join(directory, 'spool-id'), '');
    await expect(spoolIdOf(directory)).rejects.toMatchObject({ code: 'segment_damaged' });
    expect(existsSync(join(directory, 'spool-id'))).toBe(true);
  });
});

test('what a spool takes, and what its disk has', async () => {
  const directory = temporaryDirectory('spill');
  await sealedIn(directory);
  writeFileSync(join(directory, 'b-1', 'x'), Buffer.alloc(5_000));
  expect(await spoolBytes(directory)).toBeGreaterThan(5_000);
  expect(await spoolBytes(directory)).toBeLessThan(6_000);
  expect(await spoolBytes(join(directory, 'nothing'))).toBe(0);
  const { freeBytes, totalBytes } = await diskOf(directory);
  expect(freeBytes).toBeGreaterThan(0);
  expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
});

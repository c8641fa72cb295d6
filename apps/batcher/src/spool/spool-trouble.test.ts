import { readdirSync, rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, mountTinyDisk } from '@sink/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { BatcherWorld } from '../test/batcher-world.ts';

const world = new BatcherWorld();

async function everythingSealedOnce(): Promise<void> {
  await eventually(async () => expect(await world.sealedEvents()).toEqual(world.everyEvent));
}

describe('a spool folder that is removed underneath', () => {
  test('before a seal: the instance ends with spool_gone, the next one seals everything', async () => {
    await world.append(5);
    const batcher = world.batcher({ pathInMemoryBytesMax: 0 });
    await eventually(() => expect(batcher.openFiles()).toBe(1));
    await rm(join(world.spoolDir, batcher.consumer), { recursive: true });
    await world.append(2, { partition: '2026/11/23/11' });
    await expect(batcher.ended).rejects.toMatchObject({ code: 'spool_gone' });
    expect(await world.counts()).toEqual([]);
    await world.redis.del(await world.redis.keys('*lease*'));
    const next = world.batcher();
    await eventually(() => expect(next.openPaths()).toBe(2));
    await next.stop();
    await everythingSealedOnce();
  });

  test('an instance without events leaves no folder', async () => {
    const batcher = world.batcher();
    await eventually(async () => expect(await world.lane.leaseExists(batcher.consumer)).toBe(true));
    await batcher.stop();
    expect(readdirSync(world.spoolDir)).toEqual(['spool-id']);
  });
});

const tinyDisk = mountTinyDisk();
afterAll(() => tinyDisk?.unmount());

/** Bytes of one line with this id. */
function line(id: number, bytes: number): string {
  return JSON.stringify({ id, fill: 'x'.repeat(bytes) });
}

describe.skipIf(tinyDisk === null)('a full disk (skipped where no tmpfs may be mounted)', () => {
  test('nothing is lost, what was open is removed, and the batcher continues when there is room', async () => {
    if (tinyDisk === null) return;
    const spoolDir = join(tinyDisk.path, 'spool');
    await mkdir(spoolDir, { recursive: true });
    const free = tinyDisk.fill();
    for (let n = 0; n < 3; n++) await world.append(5);
    const batcher = world.batcher({ spoolDir, flushSize: 5, leaseMs: 60_000 });
    await eventually(() => expect(batcher.reported.recovering.length).toBeGreaterThan(1));
    expect(batcher.reported.recovering).toMatchObject(batcher.reported.recovering.map(() => ({ code: 'disk_full' })));
    expect(await world.counts()).toEqual([]);
    await eventually(() => expect(filesIn(spoolDir)).toEqual([]));
    free();
    await everythingSealedOnce();
    expect(await world.counts()).toEqual([5, 5, 5]);
    await batcher.stop();
    expect(filesIn(spoolDir).filter((name) => name.endsWith('.open'))).toEqual([]);
    rmSync(spoolDir, { recursive: true });
  });

  test('a disk that no whole object fits on: objects become smaller, and drain', async () => {
    const spoolDir = join(tinyDisk?.path ?? '', 'small');
    const ids = Array.from({ length: 9 }, (_, id) => id);
    for (const id of ids) await world.append(1, { lines: [line(id, 900_000)] });
    const batcher = world.batcher({ spoolDir, flushBytes: 6_000_000, leaseMs: 60_000 });
    const sealed = async (): Promise<number> => {
      // What an uploader does: it makes room once an object is in S3.
      for (const { id, spool } of await world.records()) {
        if (!batcher.isClosing(id)) await rm(join(spoolDir, spool, `${id}.segment`), { force: true });
      }
      return (await world.sealedEvents()).length;
    };
    await eventually(async () => expect(await sealed()).toBeGreaterThanOrEqual(6));
    // It closes what is open before it stops, and that needs room too.
    const stopped = batcher.stop();
    await eventually(async () => expect(await sealed()).toBe(9));
    await stopped;
    expect(await world.sealedEvents()).toEqual(ids);
    expect(batcher.reported.recovering).toMatchObject(batcher.reported.recovering.map(() => ({ code: 'disk_full' })));
    rmSync(spoolDir, { recursive: true, force: true });
  });
});

function filesIn(spoolDir: string): string[] {
  return readdirSync(spoolDir).flatMap((instance) => readdirSync(join(spoolDir, instance)));
}

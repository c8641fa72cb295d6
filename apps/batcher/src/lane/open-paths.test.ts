import { destinationOf } from '@sink/domain';
import { leaseKey } from '@sink/lane';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { BatcherWorld } from '../test/batcher-world.ts';

const world = new BatcherWorld();
const KIB = 1024;

function path(index: number): string {
  return `tenant=${index}`;
}

/** Appends one event to each of so many paths. */
async function appendToEach(paths: number): Promise<void> {
  for (let index = 0; index < paths; index++) await world.append(1, { partition: path(index) });
}

async function everythingSealedOnce(): Promise<void> {
  await eventually(async () => expect(await world.sealedEvents()).toEqual(world.everyEvent), { timeoutMs: 15_000 });
}

async function everyObjectHasOnePath(): Promise<void> {
  for (const record of await world.records()) {
    for (const [id] of record.slices) {
      const entry = await world.lane.entry(id);
      expect(entry).toMatchObject({ chunk: { path: destinationOf(record).path } });
    }
  }
}

describe('many open paths', () => {
  test('stay in memory, whatever max_open_files is, and each becomes one object at its interval', async () => {
    const batcher = world.batcher({ openFilesMax: 1, readChunksMax: 50 });
    for (let round = 0; round < 3; round++) await appendToEach(100);
    await eventually(() => expect(batcher.openBytes()).toBe(10 * 9 + 90 * 10 + 200 * 11));
    expect([batcher.openPaths(), batcher.openFiles()]).toEqual([100, 0]);
    expect(await world.counts()).toEqual([]);
    world.clock.pass(61_000);
    await everythingSealedOnce();
    expect(await world.counts()).toEqual(Array.from({ length: 100 }, () => 3));
    await everyObjectHasOnePath();
    expect([batcher.openPaths(), batcher.openBytes()]).toEqual([0, 0]);
    await batcher.stop();
  });

  test('one that grows beyond 64 KiB gets a file, with all lines in their order', async () => {
    const batcher = world.batcher();
    await world.append(1, { partition: path(1) });
    const lines: string[] = [];
    for (let n = 0; n < 20; n++) {
      lines.push(`${n}`.padEnd(4 * KIB, 'x'));
      await world.append(1, { partition: path(0), lines: lines.slice(-1) });
      if (n === 8) {
        await eventually(() => expect(batcher.openBytes()).toBe(9 * (4 * KIB + 1) + '{"id":0}\n'.length));
        expect(batcher.openFiles()).toBe(0);
      }
    }
    await eventually(() => expect(batcher.openFiles()).toBe(1));
    expect(batcher.openPaths()).toBe(2);
    expect(batcher.openBytes()).toBeLessThan(100);
    await batcher.stop();
    const large = (await world.records()).find((record) => destinationOf(record).path === path(0));
    expect(large && (await world.lines(large))).toEqual(lines);
    expect(batcher.openFiles()).toBe(0);
  });

  test('beyond max_open_bytes the one that was opened first is closed, so memory and paths are bounded', async () => {
    const batcher = world.batcher({ openBytesMax: 256 * KIB, readChunksMax: 20 });
    const lines = Array.from({ length: 60 }, () => 'x'.repeat(8 * KIB));
    for (const [index, one] of lines.entries()) await world.append(1, { partition: path(index), lines: [one] });
    await eventually(async () => expect((await world.records()).length).toBeGreaterThan(30));
    await eventually(async () => expect((await world.pending()) + (await world.records()).length).toBe(60));
    expect(batcher.openBytes()).toBeLessThan(256 * KIB);
    expect(batcher.openPaths()).toBeGreaterThan(15);
    const closed = (await world.records()).map((record) => destinationOf(record).path);
    expect(closed).toEqual(closed.map((_, index) => path(index)));
    batcher.change({ openBytesMax: 64 * KIB });
    await world.append(1, { partition: path(99), lines: ['y'] });
    await eventually(() => expect(batcher.openPaths()).toBeLessThan(10));
    await batcher.stop();
  });

  test('little memory for them is shared: one busy path gets a file, and is not cut into small objects', async () => {
    const batcher = world.batcher({ openBytesMax: 64 * KIB });
    const lines = Array.from({ length: 40 }, () => 'x'.repeat(2 * KIB));
    for (const one of lines) await world.append(1, { partition: path(0), lines: [one] });
    await eventually(async () => expect(await world.pending()).toBe(40));
    await eventually(() => expect([batcher.openFiles(), batcher.openBytes()]).toEqual([1, 0]));
    await batcher.stop();
    expect(await world.counts()).toEqual([40]);
  });

  test('what was in memory only is read again after a crash', async () => {
    await appendToEach(50);
    const dead = world.batcher({ leaseMs: 100_000 });
    await eventually(() => expect(dead.openPaths()).toBe(50));
    dead.kill();
    const heir = world.batcher();
    await world.redis.del(leaseKey(world.lane.keys, dead.consumer));
    await eventually(() => expect(heir.openPaths()).toBe(50));
    await heir.stop();
    await everythingSealedOnce();
    expect(await world.counts()).toHaveLength(50);
  });

  test('300 that are closed early do not hold up reading, and the lease is renewed meanwhile', async () => {
    const batcher = world.batcher({ leaseMs: 5_000, readChunksMax: 100 });
    await appendToEach(300);
    await eventually(() => expect(batcher.openPaths()).toBe(300), { timeoutMs: 15_000 });
    batcher.closeEarly();
    await eventually(async () => expect((await world.records()).length).toBeGreaterThan(0));
    await world.append(1, { partition: 'later' });
    const sealedBefore = await new Promise<number>((resolve, reject) => {
      const look = async (): Promise<void> => {
        // The path that came later is being filled while the others are not all sealed.
        if ((await world.pending()) > 0 && batcher.openPaths() > 0) resolve((await world.records()).length);
        else setTimeout(() => void look().catch(reject), 1);
      };
      void look().catch(reject);
    });
    expect(sealedBefore).toBeLessThan(300);
    await eventually(async () => expect((await world.records()).length).toBeGreaterThanOrEqual(300), {
      timeoutMs: 15_000,
    });
    expect(batcher.openPaths()).toBe(1);
    expect(await world.lane.leaseExists(batcher.consumer)).toBe(true);
    expect(await batcher.stop()).toBe('stopped');
    await everythingSealedOnce();
    expect(await world.counts()).toHaveLength(301);
  }, 60_000);

  test('lines in memory count as bytes that the spool will hold', async () => {
    const batcher = world.batcher({ spoolBytesMax: 256 * KIB, readChunksMax: 1 });
    for (let index = 0; index < 6; index++) {
      await world.append(1, { partition: path(index), lines: ['x'.repeat(40 * KIB)] });
    }
    // Three quarters of the limit are in memory: it is written early, and nothing more is read.
    await eventually(async () => expect((await world.records()).length).toBe(5));
    expect(batcher.problems.get('room')).toContain('max_spool_bytes');
    expect(batcher.openBytes()).toBe(0);
    batcher.change({ spoolBytesMax: null });
    await batcher.stop();
    expect(await world.counts()).toHaveLength(6);
  });
});

describe('idle_interval', () => {
  test('closes a path that nothing arrived for, and no other', async () => {
    const batcher = world.batcher({ idleIntervalMs: 10_000, scheduledIntervalMs: 600_000 });
    await world.append(1, { partition: path(0) });
    await world.append(1, { partition: path(1) });
    await eventually(() => expect(batcher.openPaths()).toBe(2));
    for (let n = 0; n < 3; n++) {
      world.clock.pass(6_000);
      await world.append(1, { partition: path(1) });
      await eventually(async () => expect((await world.pending()) + (await world.records()).length).toBe(3 + n));
    }
    await eventually(async () => expect(await world.records()).toMatchObject([{ path: path(0), count: 1 }]));
    world.clock.pass(11_000);
    await eventually(async () => expect(await world.counts()).toEqual([1, 4]));
    await batcher.stop();
  });

  test('takes effect for what is open when it is changed', async () => {
    const batcher = world.batcher({ scheduledIntervalMs: 600_000 });
    await world.append(1, { partition: path(0) });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    world.clock.pass(11_000);
    batcher.change({ idleIntervalMs: 10_000 });
    await eventually(async () => expect(await world.counts()).toEqual([1]));
    batcher.change({ idleIntervalMs: null });
    await world.append(1, { partition: path(0) });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    world.clock.pass(11_000);
    await world.append(1, { partition: path(1) });
    await eventually(() => expect(batcher.openPaths()).toBe(2));
    await batcher.stop();
  });
});

describe('a slot of event time', () => {
  const routes = new Map([['_default', { bucket: 'events', prefix: '', endsWithSlot: false }]]);

  test('stays open when it is over: events that come late are in one object, not in one for each half second', async () => {
    const batcher = world.batcher({ routes, partitionEndGraceMs: 20, openMsMin: 20 });
    const slots = ['2026/11/21/03', '2026/11/22/23', '2026/11/23/09'];
    for (let round = 0; round < 4; round++) {
      for (const partition of slots) await world.append(1, { partition });
      await world.clock.sleep(60);
    }
    await eventually(() => expect(batcher.openPaths()).toBe(3));
    expect(await world.counts()).toEqual([]);
    world.clock.pass(61_000);
    await everythingSealedOnce();
    expect(await world.counts()).toEqual([4, 4, 4]);
    await everyObjectHasOnePath();
    await batcher.stop();
  });

  test('of two days and two zones, out of order: one object for each path', async () => {
    const batcher = world.batcher({ routes });
    const paths = ['2026/11/23/10', '2026/11/22/10', 'zone=utc/2026-11-23', 'zone=tokyo/2026-11-24', '2026/11/23/19'];
    for (let n = 0; n < 40; n++) await world.append(1, { partition: paths[(n * 7) % paths.length] ?? '' });
    await eventually(() => expect(batcher.openPaths()).toBe(5));
    await batcher.stop();
    expect(await world.counts()).toEqual([8, 8, 8, 8, 8]);
    await everyObjectHasOnePath();
    expect(await world.sealedEvents()).toEqual(world.everyEvent);
  });
});

import { flush, IoredisPort } from '@sink/lane';
import { systemClock } from '@sink/runtime';
import { eventually } from '@sink/testing';
import { expect, test, vi } from 'vitest';
import { BatcherWorld, PARTITION, SINK } from '../test/batcher-world.ts';

const world = new BatcherWorld();
/** So that what never happens fails as what it is, and not as a test that takes too long. */
vi.setConfig({ testTimeout: 30_000 });
const SOON = { timeoutMs: 8_000 };
let asked = 0;

async function ask(path: string | null = null): Promise<void> {
  asked += 1;
  const { signal } = new AbortController();
  const ports = {
    redis: new IoredisPort(world.redis),
    sinkName: SINK,
    lanes: [0],
    id: `f${asked}`,
    clock: systemClock,
  };
  expect(await flush({ ...ports, signal }, { path, waits: false, timeoutMs: 60_000 })).toEqual({ kind: 'noted' });
}

test('a flush closes what is open on every batcher, and nothing that was appended after it', async () => {
  const batchers = [world.batcher(), world.batcher()];
  await eventually(async () => {
    await world.append(1);
    for (const batcher of batchers) expect(batcher.openPaths()).toBe(1);
  });
  await eventually(async () => expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(await world.pending()));
  const before = await world.pending();
  await ask();
  await eventually(async () => {
    const sealed = (await world.counts()).reduce((sum, count) => sum + count, 0);
    expect(sealed).toBe(before);
  }, SOON);
  await world.append(1);
  await eventually(() => expect(batchers.map((batcher) => batcher.openPaths()).toSorted()).toEqual([0, 1]));
  expect(await world.counts()).toHaveLength(2);
});

test('of one path only that path is closed', async () => {
  const batcher = world.batcher();
  await world.append(2, { partition: PARTITION });
  await world.append(3, { partition: '2026/11/23/11' });
  await eventually(() => expect(batcher.openPaths()).toBe(2));
  await ask('2026/11/23/11');
  await eventually(async () => expect(await world.counts()).toEqual([3]), SOON);
  expect(batcher.openPaths()).toBe(1);
});

test('a backlog that is read during a flush does not become one small object for each read', async () => {
  for (let n = 0; n < 60; n++) await world.append(1);
  await ask();
  world.batcher({ readChunksMax: 4, flushLookEveryMs: 1 });
  await eventually(async () => expect((await world.counts()).reduce((sum, count) => sum + count, 0)).toBe(60), SOON);
  expect((await world.counts()).length).toBeLessThan(5);
});

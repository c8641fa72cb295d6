import { destinationOf } from '@sink/domain';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { BatcherWorld, NOW_MS, PARTITION } from '../test/batcher-world.ts';

const world = new BatcherWorld();
const HOUR_MS = 3_600_000;

/** Resolves when everything appended is in sealed segments. */
async function allSealed(): Promise<void> {
  await eventually(async () => expect(await world.sealedEvents()).toEqual(world.everyEvent));
}

describe('what closes an object', () => {
  test('flush_size: exactly that many events, and chunks are split for it', async () => {
    for (const count of [4, 13, 1, 22]) await world.append(count);
    const batcher = world.batcher({ flushSize: 10 });
    await eventually(async () => expect(await world.counts()).toEqual([10, 10, 10, 10]));
    const [first, second] = await world.records();
    expect(first?.slices.map(([, from, to]) => [from, to])).toEqual([
      [0, 4],
      [0, 6],
    ]);
    expect(second?.slices.map(([, from, to]) => [from, to])).toEqual([
      [6, 13],
      [0, 1],
      [0, 2],
    ]);
    for (const record of await world.records()) {
      expect((await world.lines(record)).map((line) => (JSON.parse(line) as { id: number }).id)).toHaveLength(10);
    }
    expect(await world.sealedEvents()).toEqual(world.everyEvent);
    expect(await world.pending()).toBe(0);
    expect(batcher.uploads.toSorted()).toEqual((await world.records()).map(({ id }) => id).toSorted());
    await batcher.stop();
  });

  test('chunks that trickle in gather before they are read, and stopping does not wait for that', async () => {
    const batcher = world.batcher({ readGatherMs: 600_000, scheduledIntervalMs: 600_000 });
    await world.append(1);
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    await world.append(2);
    await world.append(3);
    expect(await world.pending()).toBe(1);
    await batcher.stop();
    expect(await world.counts()).toEqual([6]);
    expect(await world.sealedEvents()).toEqual(world.everyEvent);
  });

  test('flush_bytes: no object is larger, though chunks are, but for one event that is larger itself', async () => {
    const lines = ['a'.repeat(30), 'b'.repeat(30), 'c'.repeat(30), 'd'.repeat(150), 'e'.repeat(30)];
    await world.append(5, { lines });
    const batcher = world.batcher({ flushBytes: 70 });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    await batcher.stop();
    const records = await world.records();
    expect(records.map(({ count, bytes }) => [count, bytes])).toEqual([
      [2, 62],
      [1, 31],
      [1, 151],
      [1, 31],
    ]);
    expect((await Promise.all(records.map((record) => world.lines(record)))).flat()).toEqual(lines);
  });

  test('the interval counts from the first event, not from when it was read', async () => {
    await world.append(1, { acceptedAtMs: NOW_MS - 50_000 });
    const batcher = world.batcher({ scheduledIntervalMs: 60_000 });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    world.clock.pass(8_000);
    await world.append(1);
    await eventually(async () => expect(await world.pending()).toBe(2));
    expect(await world.counts()).toEqual([]);
    world.clock.pass(3_000);
    await eventually(async () => expect(await world.counts()).toEqual([2]));
    await batcher.stop();
  });

  test('the end of its hour: that file is closed while the one of the next hour stays open', async () => {
    await world.append(3);
    const batcher = world.batcher({ scheduledIntervalMs: 4 * HOUR_MS });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    world.clock.pass(HOUR_MS / 2 - 5_000);
    await world.append(2, { partition: '2026/11/23/11' });
    await eventually(() => expect(batcher.openPaths()).toBe(2));
    expect(await world.counts()).toEqual([]);
    world.clock.pass(6_000);
    await eventually(async () => expect(await world.counts()).toEqual([3]));
    expect(batcher.openPaths()).toBe(1);
    expect((await world.records())[0]?.key).toMatch(/^2026\/11\/23\/10\/eventing-uid1-\d+-\d+-0-[0-9a-f]{32}\.ndjson$/);
    await batcher.stop();
    expect(await world.counts()).toEqual([3, 2]);
  });

  test('a backlog of hours that have ended still fills objects, within the shortest time a file is open', async () => {
    for (let n = 0; n < 300; n++)
      await world.append(1, { partition: '2026/11/23/07', acceptedAtMs: NOW_MS - 3 * HOUR_MS });
    const batcher = world.batcher({ readChunksMax: 2 });
    await allSealed();
    expect(Math.max(...(await world.counts()))).toBeGreaterThan(30);
    expect(batcher.openPaths()).toBe(0);
    await batcher.stop();
  });

  test('one file more than may be open: the one that was opened first', async () => {
    for (const hour of ['10', '11', '12']) await world.append(1, { partition: `2026/11/23/${hour}` });
    const batcher = world.batcher({ openFilesMax: 2, pathInMemoryBytesMax: 0 });
    await eventually(async () =>
      expect((await world.records()).map((record) => destinationOf(record).path)).toEqual([PARTITION]),
    );
    expect(batcher.openFiles()).toBe(2);
    await batcher.stop();
  });

  test('4,000 slices: no record is larger', async () => {
    await Promise.all(Array.from({ length: 4_010 }, () => world.append(1)));
    const batcher = world.batcher({ flushSize: 100_000 });
    await eventually(async () => expect(await world.counts()).toEqual([4_000]), { timeoutMs: 15_000 });
    await batcher.stop();
    expect(await world.counts()).toEqual([4_000, 10]);
  });

  test('an event of 16 MB moves like any other, compressed as asked for', async () => {
    const line = JSON.stringify({ data: 'x'.repeat(16_000_000) });
    await world.append(1, { lines: ['{"id":"before"}'] });
    await world.append(1, { lines: [line] });
    const batcher = world.batcher({ compression: 'zstd', flushBytes: 1_000_000 });
    await eventually(async () => expect(await world.counts()).toEqual([1, 1]));
    const [, large] = await world.records();
    expect(large).toMatchObject({ bytes: line.length + 1, compression: 'zstd' });
    await batcher.stop();
  });
});

describe('a wall clock that is set', () => {
  test('an hour back: the interval ends when it would have', async () => {
    await world.append(1);
    const batcher = world.batcher({ scheduledIntervalMs: 60_000 });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    world.clock.setWall(-HOUR_MS);
    world.clock.pass(61_000);
    await eventually(async () => expect(await world.counts()).toEqual([1]));
    // Events that come "from the future" wait for one interval, no more.
    await world.append(1, { acceptedAtMs: NOW_MS });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    world.clock.pass(61_000);
    await eventually(async () => expect(await world.counts()).toEqual([1, 1]));
    await batcher.stop();
  });

  test('an hour ahead of ingest: objects still fill for a moment, and nothing waits for the hour', async () => {
    const batcher = world.batcher();
    world.clock.setWall(HOUR_MS);
    for (let n = 0; n < 100; n++) await world.append(1, { acceptedAtMs: NOW_MS });
    await allSealed();
    expect((await world.counts()).length).toBeLessThan(10);
    await batcher.stop();
  });
});

describe('entries that cannot be taken', () => {
  test('what is not a chunk is reported once and left untouched, and the others flow on', async () => {
    const { redis, lane } = world;
    const { chunks } = lane.keys;
    await world.append(2);
    const strange = [
      await redis.xadd(chunks, '*', 'hello', 'world'),
      await redis.xadd(chunks, '*', 'v', '3', 'p', PARTITION, 'n', '1', 't', '1', 'b', '{}\n'),
      await redis.xadd(chunks, '*', 'v', '1', 'p', '../../etc', 'n', '1', 't', '1', 'b', '{}\n'),
      await redis.xadd(chunks, '*', 'v', '1', 'p', PARTITION, 'n', '1', 't', '1', 'b', '{}\n'),
    ];
    await world.append(3);
    const batcher = world.batcher({ flushSize: 5 });
    await allSealed();
    await eventually(() => expect(batcher.reported.foreign.map(({ id }) => id)).toEqual(strange));
    expect(batcher.reported.foreign.map(({ problem }) => problem)).toEqual([
      'version missing is not 1 or 2',
      'version 3 is not 1 or 2',
      'its partition is not a time slot',
      'it has no counter',
    ]);
    await batcher.stop();
    expect(batcher.reported.foreign).toHaveLength(4);
    expect(await redis.xlen(chunks)).toBe(6);
  });

  test('a chunk whose lines end before its count does not delay others', async () => {
    await world.append(2);
    await world.append(8, { lines: ['{"id":0.1}', '{"id":0.2}', '{"id":0.3}'] });
    await world.append(5);
    const batcher = world.batcher({ flushSize: 4 });
    await eventually(() =>
      expect(batcher.reported.foreign).toMatchObject([{ problem: expect.stringContaining('fewer lines') as string }]),
    );
    await batcher.stop();
    expect(batcher.reported.recovering).toEqual([]);
    expect((await world.sealedEvents()).filter(Number.isInteger)).toEqual(world.everyEvent);
    expect(await world.pending()).toBe(1);
  });

  test('a chunk that is wholly taken already is acknowledged, one that is gone as well', async () => {
    const { redis, lane } = world;
    const [taken, gone] = [await world.append(2), await world.append(2)];
    await redis.hset(lane.keys.taken, taken, '2/2');
    await lane.read('operator', 10, 0);
    await redis.xdel(lane.keys.chunks, gone);
    const batcher = world.batcher();
    await eventually(async () => expect(await world.pending()).toBe(0));
    await batcher.stop();
    expect(await world.counts()).toEqual([]);
    expect(batcher.reported.foreign).toEqual([]);
  });
});

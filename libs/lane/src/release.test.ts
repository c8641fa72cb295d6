import { spilledRecord } from '@sink/domain';
import { describe, expect, test } from 'vitest';
import { LaneWorld, receiptOf, recordOf } from './test/lane-world.ts';

const world = new LaneWorld();
const SPOOL = 'spool-1';
const NOTHING_SPILLED = { events: 0, bytes: 0, segments: 0 };

/** Two chunks of 4 and 1 events; s1 holds one event of the first and the second chunk, s2 the rest. */
async function twoSegments(): Promise<{ a: string; b: string }> {
  const [a, b] = [await world.append(4), await world.append(1)];
  await world.read();
  await world.seal('s1', [
    [a, 0, 1],
    [b, 0, 1],
  ]);
  await world.seal('s2', [[a, 1, 4]]);
  return { a, b };
}

function release(id: string, spoolId = SPOOL): Promise<string> {
  return world.lane.record(id).then((record) => world.batcher.release(record ?? recordOf(id, []), spoolId));
}

describe('release', () => {
  test('invariant 2: a chunk leaves Redis only when all of its segments are released or committed', async () => {
    const { lane } = world;
    const { a, b } = await twoSegments();
    expect(await release('s2')).toBe('released');
    expect((await lane.entry(a)).kind).toBe('chunk');
    expect(await release('s1')).toBe('released');
    expect([(await lane.entry(a)).kind, (await lane.entry(b)).kind]).toEqual(['deleted', 'deleted']);
    expect(await lane.spilledBacklog()).toEqual({ events: 5, bytes: 2, segments: 2 });
  });

  test('the spilled record replaces the record, and names the spool directory that has the events', async () => {
    const { lane } = world;
    await twoSegments();
    const record = await lane.record('s1');
    if (!record) throw new Error('not sealed');
    await release('s1');
    expect(await lane.record('s1')).toBeNull();
    expect(await lane.spilledRecord('s1')).toEqual(spilledRecord(record, SPOOL));
    expect([await lane.hasRecord('s1'), await lane.awaitsUpload('s1')]).toEqual([false, true]);
    expect((await Array.fromAsync(lane.spilled())).flat()).toEqual([spilledRecord(record, SPOOL)]);
  });

  test('the backlog falls to the size of the spilled record', async () => {
    const { lane } = world;
    const a = await world.append(50);
    await world.read();
    const before = await lane.backlog();
    await world.seal('s1', [[a, 0, 50]]);
    await release('s1');
    const { events, bytes, segments } = await lane.backlog();
    expect({ events, segments }).toEqual({ events: 0, segments: 0 });
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(before.bytes + 1_000);
    await world.uploader.commit(receiptOf('s1'), 100);
    expect(await lane.backlog()).toMatchObject({ events: 0, bytes: 0, receipts: 1 });
    expect(await lane.spilledBacklog()).toEqual(NOTHING_SPILLED);
  });

  test('invariant 5: a second release changes nothing, nor does one after the commit', async () => {
    const { lane } = world;
    await twoSegments();
    const record = (await lane.record('s1')) ?? recordOf('s1', []);
    await world.batcher.release(record, SPOOL);
    const before = await world.everything();
    expect(await world.batcher.release(record, SPOOL)).toBe('released');
    expect(await world.batcher.release(record, 'spool-2')).toBe('elsewhere');
    expect(await world.everything()).toEqual(before);
    expect(await world.uploader.commit(receiptOf('s1'), 100)).toBe('committed');
    const after = await world.everything();
    expect(await world.batcher.release(record, SPOOL)).toBe('gone');
    expect(await world.uploader.commit(receiptOf('s1'), 100)).toBe('gone');
    expect(await world.everything()).toEqual(after);
  });

  test('invariant 5: a late seal after the release is refused and changes nothing', async () => {
    const { a } = await twoSegments();
    await release('s2');
    const before = await world.everything();
    expect(await world.seal('s2', [[a, 1, 4]])).toEqual([a]);
    expect(await world.everything()).toEqual(before);
  });

  test('invariant 5: a commit of what was sealed and released is counted once, in both orders', async () => {
    const { lane } = world;
    await twoSegments();
    await world.uploader.commit(receiptOf('s1'), 100);
    await release('s2');
    await world.uploader.commit(receiptOf('s2'), 100);
    expect(await lane.backlog()).toEqual({ events: 0, bytes: 0, segments: 0, receipts: 2 });
  });

  test('invariant 6: when everything is committed, nothing is left', async () => {
    const { lane, redis } = world;
    await twoSegments();
    await release('s1');
    await world.uploader.commit(receiptOf('s1'), 100);
    await world.uploader.commit(receiptOf('s2'), 100);
    await world.ingest.forgetWriter(world.writer);
    expect((await redis.keys('*')).sort()).toEqual([lane.keys.chunks, lane.keys.meta, lane.keys.receipts].sort());
  });

  test('a segment whose chunk is not there any more is not released', async () => {
    const { lane, redis } = world;
    const { a } = await twoSegments();
    await redis.hdel(lane.keys.left, a);
    const before = await world.everything();
    await expect(release('s1')).rejects.toThrow('damaged');
    expect(await world.everything()).toEqual(before);
  });

  test('a record of a newer release is left untouched', async () => {
    const { lane, redis } = world;
    await twoSegments();
    const record = (await lane.record('s1')) ?? recordOf('s1', []);
    await redis.hset(lane.keys.records, 's1', JSON.stringify({ ...record, v: 3 }));
    const before = await world.everything();
    await expect(world.batcher.release(record, SPOOL)).rejects.toThrow('NEWER');
    expect(await world.everything()).toEqual(before);
  });
});

describe('adopt', () => {
  test('a file without a record in Redis gets its record again', async () => {
    const { lane } = world;
    await twoSegments();
    const record = (await lane.record('s1')) ?? recordOf('s1', []);
    await world.redis.flushall();
    expect(await world.batcher.adopt(record, SPOOL)).toBe('adopted');
    expect(await lane.spilledRecord('s1')).toEqual(spilledRecord(record, SPOOL));
    expect(await lane.spilledBacklog()).toEqual({ events: 2, bytes: 1, segments: 1 });
    expect(await world.batcher.adopt(record, SPOOL)).toBe('known');
    expect(await world.uploader.commit(receiptOf('s1'), 100)).toBe('committed');
    expect(await lane.backlog()).toMatchObject({ events: 0, bytes: 0 });
  });

  test('nothing changes for a file whose record is there, or one of its chunks', async () => {
    const { lane } = world;
    const { a } = await twoSegments();
    const before = await world.everything();
    expect(await world.batcher.adopt((await lane.record('s1')) ?? recordOf('s1', []), SPOOL)).toBe('known');
    expect(await world.batcher.adopt(recordOf('s9', [[a, 0, 1]]), SPOOL)).toBe('superfluous');
    const partly = recordOf('s9', [
      ['1-1', 0, 1],
      [a, 0, 1],
    ]);
    expect(await world.batcher.adopt(partly, SPOOL)).toBe('superfluous');
    expect(await world.everything()).toEqual(before);
  });
});

import { describe, expect, test } from 'vitest';
import { LaneWorld, ndjson, receiptOf } from './test/lane-world.ts';

const world = new LaneWorld();

describe('commit', () => {
  test('invariant 2: a chunk leaves the stream only with its last segment', async () => {
    const { lane, redis } = world;
    const [a, b] = [await world.append(4), await world.append(1)];
    await world.read();
    await world.seal('s1', [
      [a, 0, 1],
      [b, 0, 1],
    ]);
    await world.seal('s2', [[a, 1, 4]]);
    expect(await world.uploader.commit(receiptOf('s2'), 100)).toBe('committed');
    expect((await lane.entry(a)).kind).toBe('chunk');
    expect(await redis.hget(lane.keys.left, a)).toMatch(/^1 /);
    expect(await world.uploader.commit(receiptOf('s1'), 100)).toBe('committed');
    expect((await lane.entry(a)).kind).toBe('deleted');
    expect((await lane.entry(b)).kind).toBe('deleted');
  });

  test('invariant 2: a chunk whose rest is not sealed yet stays, with the rest to be sealed', async () => {
    const a = await world.append(4);
    await world.read();
    await world.seal('s1', [[a, 0, 3]]);
    await world.uploader.commit(receiptOf('s1'), 100);
    expect((await world.lane.entry(a)).kind).toBe('chunk');
    expect(await world.batcher.taken([a])).toEqual([3]);
    expect(await world.pending()).toEqual([a]);
    expect(await world.seal('s2', [[a, 3, 4]])).toBeNull();
  });

  test('invariant 5: a second commit changes nothing', async () => {
    const [a] = [await world.append(4), await world.append(1)];
    await world.read();
    await world.seal('s1', [[a, 0, 2]]);
    await world.seal('s2', [[a, 2, 3]]);
    await world.uploader.commit(receiptOf('s1'), 100);
    const before = await world.everything();
    expect(await world.uploader.commit(receiptOf('s1'), 100)).toBe('gone');
    expect(await world.uploader.commit(receiptOf('never'), 100)).toBe('gone');
    expect(await world.everything()).toEqual(before);
  });

  test('a receipt has the number of its place, and each place is stored once', async () => {
    const a = await world.append(3);
    await world.read();
    for (const [n, place] of ['events at AWS', '/data/objéts', 'events at AWS'].entries()) {
      await world.seal(`s${n}`, [[a, n, n + 1]]);
      expect(await world.uploader.commit(receiptOf(`s${n}`), 100, undefined, place)).toBe('committed');
    }
    const receipts = (await Array.fromAsync(world.lane.receipts())).flat();
    expect(receipts.map(({ place }) => place)).toEqual(['1', '2', '1']);
    expect([...(await world.lane.places())]).toEqual([
      ['1', 'events at AWS'],
      ['2', '/data/objéts'],
    ]);
  });

  test('invariant 6: when everything is committed, only the receipts, the group and the lane itself are left', async () => {
    const { lane, redis } = world;
    const ids = [await world.append(3), await world.append(2), await world.append(9, { body: ndjson(9, 'é') })];
    await world.read();
    await world.seal(
      's1',
      ids.map((id) => [id, 0, 2] as const),
    );
    await world.seal('s2', [
      [ids[0] ?? '', 2, 3],
      [ids[2] ?? '', 2, 9],
    ]);
    await world.uploader.commit(receiptOf('s2'), 100);
    await world.uploader.commit(receiptOf('s1'), 100);
    await world.ingest.forgetWriter(world.writer);
    expect((await redis.keys('*')).sort()).toEqual([lane.keys.chunks, lane.keys.meta, lane.keys.receipts].sort());
    expect(await redis.xlen(lane.keys.chunks)).toBe(0);
    expect(await world.pending()).toEqual([]);
    expect(await lane.backlog()).toEqual({ events: 0, bytes: 0, segments: 0, receipts: 2 });
  });

  test('the backlog falls by what was committed, and never drifts for good', async () => {
    const { lane, redis } = world;
    const [a, b] = [await world.append(3), await world.append(2)];
    await world.read();
    const full = await lane.backlog();
    await world.seal('s1', [[a, 0, 3]]);
    const sealed = await lane.backlog();
    expect(sealed.bytes).toBeGreaterThan(full.bytes);
    await redis.hincrby(lane.keys.backlog, 'bytes', 77); // a failover that lost a step
    await world.uploader.commit(receiptOf('s1'), 100);
    expect(await lane.backlog()).toMatchObject({ events: 2, segments: 0 });
    await world.seal('s2', [[b, 0, 2]]);
    await world.uploader.commit(receiptOf('s2'), 100);
    expect(await lane.backlog()).toMatchObject({ events: 0, bytes: 0 });
  });

  test('a receipt is kept for each object, and no more than the limit asks for', async () => {
    const { lane, redis } = world;
    for (let n = 0; n < 250; n++) {
      const id = await world.append(1);
      await world.read();
      await world.seal(`s${n}`, [[id, 0, 1]]);
      await world.uploader.commit(receiptOf(`s${n}`), 10);
    }
    const receipts = await redis.xrange(lane.keys.receipts, '-', '+');
    // Trimmed by whole nodes of the stream.
    expect(receipts.length).toBeGreaterThanOrEqual(10);
    expect(receipts.length).toBeLessThan(120);
    expect(receipts.at(-1)?.[1]).toEqual(['v', '1', 'r', JSON.stringify(receiptOf('s249'))]);
  });

  test('a record of a newer release is refused and left untouched', async () => {
    const a = await world.append(1);
    await world.read();
    await world.redis.hset(world.lane.keys.records, 's1', JSON.stringify({ v: 3, id: 's1', slices: [[a, 0, 1]] }));
    const before = await world.everything();
    await expect(world.uploader.commit(receiptOf('s1'), 100)).rejects.toMatchObject({ code: 'NEWER' });
    await expect(world.lane.record('s1')).rejects.toMatchObject({ code: 'record_version' });
    expect(await world.everything()).toEqual(before);
  });

  test('a record whose chunks do not have what it took is a broken invariant: loud, and nothing changes', async () => {
    const a = await world.append(2);
    await world.read();
    await world.seal('s1', [[a, 0, 2]]);
    await world.redis.hdel(world.lane.keys.left, a);
    const before = await world.everything();
    await expect(world.uploader.commit(receiptOf('s1'), 100)).rejects.toMatchObject({ code: 'unexpected_answer' });
    expect(await world.everything()).toEqual(before);
  });
});

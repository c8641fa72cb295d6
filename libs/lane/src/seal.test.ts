import { SEGMENT_SLICES_MAX, type Slice } from '@sink/domain';
import { describe, expect, test } from 'vitest';
import { LaneWorld, ndjson, receiptOf, recordOf } from './test/lane-world.ts';

const world = new LaneWorld();

/** A refused seal names the chunks, and leaves Redis as it was. */
async function refused(id: string, slices: readonly Slice[]): Promise<readonly string[] | null> {
  const before = await world.everything();
  const chunks = await world.seal(id, slices);
  expect(await world.everything()).toEqual(before);
  return chunks;
}

describe('seal', () => {
  test('takes the events, stores the record and leaves pending what is not wholly taken', async () => {
    const [a, b] = [await world.append(3), await world.append(5)];
    await world.read();
    expect(
      await world.seal('s1', [
        [a, 0, 3],
        [b, 0, 2],
      ]),
    ).toBeNull();
    expect(await world.batcher.taken([a, b])).toEqual([3, 2]);
    expect(await world.pending()).toEqual([b]);
    expect(await world.lane.record('s1')).toEqual(
      recordOf('s1', [
        [a, 0, 3],
        [b, 0, 2],
      ]),
    );
    expect(await world.seal('s2', [[b, 2, 5]])).toBeNull();
    expect(await world.pending()).toEqual([]);
  });

  test('invariant 1: a gap, an overlap or a range beyond the chunk is refused and changes nothing', async () => {
    const [a, b, c] = [await world.append(10), await world.append(10), await world.append(10)];
    await world.read();
    await world.seal('s1', [[a, 0, 4]]);
    expect(
      await refused('gap', [
        [b, 0, 10],
        [a, 5, 10],
        [c, 1, 2],
      ]),
    ).toEqual([a, c]);
    expect(await refused('overlap', [[a, 3, 10]])).toEqual([a]);
    expect(await refused('again', [[a, 0, 4]])).toEqual([a]);
    expect(await refused('beyond', [[a, 4, 11]])).toEqual([a]);
    expect(await refused('empty', [[a, 4, 4]])).toEqual([a]);
    expect(await refused('backwards', [[a, 4, 2]])).toEqual([a]);
    expect(await refused('fraction', [[a, 4, 5.5]])).toEqual([a]);
    expect(await refused('nothing', [])).toEqual([]);
    expect(await world.seal('s2', [[a, 4, 10]])).toBeNull();
  });

  test('invariant 1: a chunk that comes twice in one segment is refused, also in two ranges that would fit', async () => {
    const a = await world.append(10);
    await world.read();
    expect(
      await refused('same', [
        [a, 0, 5],
        [a, 0, 5],
      ]),
    ).toEqual([a]);
    expect(
      await refused('next', [
        [a, 0, 5],
        [a, 5, 10],
      ]),
    ).toEqual([a]);
  });

  test('invariant 1: a chunk without counter is refused, and not taken from its beginning', async () => {
    const a = await world.append(2);
    await world.read();
    await world.seal('s1', [[a, 0, 2]]);
    await world.uploader.commit(receiptOf('s1'), 100);
    expect(await refused('late', [[a, 0, 2]])).toEqual([a]);
    expect(await refused('unknown', [['1-1', 0, 1]])).toEqual(['1-1']);
  });

  test('invariant 5: the identical record again is sealed, and changes nothing', async () => {
    const a = await world.append(2);
    await world.read();
    await world.seal('s1', [[a, 0, 1]]);
    const before = await world.everything();
    expect(await world.seal('s1', [[a, 0, 1]])).toBeNull();
    expect(await world.everything()).toEqual(before);
  });

  test('invariant 3: another record under a used id is refused', async () => {
    const a = await world.append(3);
    await world.read();
    await world.seal('s1', [[a, 0, 1]]);
    expect(await refused('s1', [[a, 1, 2]])).toEqual([]);
    const before = await world.everything();
    expect(await world.seal('s1', [[a, 0, 1]], { sha256: 'cd'.repeat(32) })).toEqual([]);
    expect(await world.everything()).toEqual(before);
  });

  test('invariant 5: the same seal late, after its commit, is refused, whole chunk or part of one', async () => {
    const [a, b] = [await world.append(2), await world.append(2)];
    await world.read();
    await world.seal('s1', [
      [a, 0, 2],
      [b, 0, 1],
    ]);
    await world.uploader.commit(receiptOf('s1'), 100);
    expect(
      await refused('s1', [
        [a, 0, 2],
        [b, 0, 1],
      ]),
    ).toEqual([a, b]);
    expect(await refused('s1', [[b, 0, 1]])).toEqual([b]);
  });

  test('a seal of a batcher whose chunks were taken over is accepted if it comes first, and refused otherwise', async () => {
    const [a, b] = [await world.append(2), await world.append(2)];
    await world.read('b1');
    await world.batcher.claim('b1', 'b2');
    expect(await world.seal('old', [[a, 0, 2]])).toBeNull();
    expect(await world.pending('b2')).toEqual([b]);
    expect(
      await refused('new', [
        [a, 0, 2],
        [b, 0, 2],
      ]),
    ).toEqual([a]);
  });

  test('a segment with as many slices as possible is sealed and committed in some tens of milliseconds', async () => {
    const { redis, lane } = world;
    const slices: Slice[] = [];
    for (let n = 0; n < SEGMENT_SLICES_MAX; n++) slices.push([await world.append(3, { body: ndjson(3, 'e') }), 0, 3]);
    await world.read('b1', SEGMENT_SLICES_MAX);
    await redis.call('CONFIG', 'RESETSTAT');
    expect(await world.seal('s1', slices)).toBeNull();
    expect(await world.pending()).toEqual([]);
    expect(await world.uploader.commit(receiptOf('s1'), 100)).toBe('committed');
    expect(await redis.xlen(lane.keys.chunks)).toBe(0);
    // Both: a script that Redis has not seen yet is refused as EVALSHA, and then sent with EVAL.
    const stats = [...(await redis.info('commandstats')).matchAll(/^cmdstat_eval(?:sha)?:calls=\d+,usec=(\d+),/gm)];
    const bothUs = stats.reduce((sum, [, usec]) => sum + Number(usec), 0);
    expect(bothUs).toBeGreaterThan(0);
    // The bound for a seal and a commit (SEGMENT_SLICES_MAX), with a margin for a busy machine.
    expect(bothUs).toBeLessThan(600_000);
  });
});

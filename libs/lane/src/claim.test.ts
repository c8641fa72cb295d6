import { describe, expect, test } from 'vitest';
import { leaseKey } from './keys.ts';
import { LaneWorld, receiptOf } from './test/lane-world.ts';

const world = new LaneWorld();

describe('claim', () => {
  test('invariant 7: a batcher takes over the chunks of a dead one, and removes its consumer', async () => {
    const ids = [await world.append(1), await world.append(1)];
    await world.read('dead');
    expect(await world.batcher.claim('dead', 'b2')).toEqual({ kind: 'removed', chunks: 2 });
    expect(await world.pending('b2')).toEqual(ids);
    expect(await world.batcher.consumers()).toEqual(['b2']);
  });

  test('a claim takes nothing from a batcher that holds its lease', async () => {
    await world.append(1);
    await world.batcher.takeLease('alive', 60_000);
    await world.read('alive');
    const before = await world.everything();
    expect(await world.batcher.claim('alive', 'b2')).toEqual({ kind: 'alive', chunks: 0 });
    expect(await world.everything()).toEqual(before);
    await world.batcher.leave('alive');
    expect((await world.batcher.claim('alive', 'b2')).kind).toBe('removed');
  });

  test('a claim moves one page, and removes the consumer only when nothing is pending any more', async () => {
    for (let n = 0; n < 250; n++) await world.append(1);
    await world.read('dead');
    expect(await world.batcher.claim('dead', 'b2')).toEqual({ kind: 'more', chunks: 100 });
    expect((await world.batcher.consumers()).sort()).toEqual(['b2', 'dead']);
    expect(await world.pending('dead')).toHaveLength(150);
    expect(await world.batcher.claim('dead', 'b3')).toEqual({ kind: 'more', chunks: 100 });
    expect(await world.batcher.claim('dead', 'b2')).toEqual({ kind: 'removed', chunks: 50 });
    expect(await world.pending()).toHaveLength(250);
    expect((await world.batcher.consumers()).sort()).toEqual(['b2', 'b3']);
  });

  test('invariant 5: a claim that comes late or twice changes nothing', async () => {
    const id = await world.append(1);
    await world.read('dead');
    await world.batcher.claim('dead', 'b2');
    expect(await world.batcher.claim('dead', 'b3')).toEqual({ kind: 'removed', chunks: 0 });
    expect(await world.pending('b2')).toEqual([id]);
  });

  test('invariant 7: a read that is executed after its batcher died and was removed is claimed again', async () => {
    await world.read('dead');
    await world.batcher.claim('dead', 'b2');
    const id = await world.append(1);
    await world.read('dead');
    expect(await world.batcher.consumers()).toContain('dead');
    expect(await world.batcher.claim('dead', 'b2')).toEqual({ kind: 'removed', chunks: 1 });
    expect(await world.pending('b2')).toEqual([id]);
  });

  test('a claim moves chunks that were sealed in part, and none that were sealed wholly', async () => {
    const [a, b] = [await world.append(2), await world.append(2)];
    await world.read('dead');
    await world.seal('s1', [
      [a, 0, 2],
      [b, 0, 1],
    ]);
    await world.uploader.commit(receiptOf('s1'), 10);
    expect(await world.batcher.claim('dead', 'b2')).toEqual({ kind: 'removed', chunks: 1 });
    expect(await world.pending('b2')).toEqual([b]);
    expect(await world.batcher.taken([b])).toEqual([1]);
  });

  test('pending entries of chunks that were deleted do not keep a dead consumer alive', async () => {
    const a = await world.append(1);
    await world.read('dead');
    await world.redis.xdel(world.lane.keys.chunks, a);
    expect((await world.batcher.claim('dead', 'b2')).kind).toBe('removed');
    expect(await world.batcher.consumers()).not.toContain('dead');
  });

  test('an instance claims nothing from itself', async () => {
    await world.append(1);
    await world.read('b1');
    expect(await world.batcher.claim('b1', 'b1')).toEqual({ kind: 'alive', chunks: 0 });
    expect(await world.pending('b1')).toHaveLength(1);
  });
});

describe('a lease', () => {
  test('is held by one, renewed while it lasts and not afterwards', async () => {
    const { lane, redis } = world;
    await world.batcher.takeLease('b1', 60_000);
    expect(await lane.leaseExists('b1')).toBe(true);
    expect(await world.batcher.renewLease('b1', 120_000)).toBe(true);
    expect(await redis.pttl(leaseKey(lane.keys, 'b1'))).toBeGreaterThan(60_000);
    await world.batcher.leave('b1');
    expect(await lane.leaseExists('b1')).toBe(false);
    expect(await world.batcher.renewLease('b1', 60_000)).toBe(false);
    expect(await lane.leaseExists('b1')).toBe(false);
  });

  test('taken again by its owner, whose answer was lost, is taken', async () => {
    const { lane, redis } = world;
    await world.batcher.takeLease('b1', 1_000);
    await world.batcher.takeLease('b1', 60_000);
    expect(await redis.pttl(leaseKey(lane.keys, 'b1'))).toBeGreaterThan(1_000);
  });

  test('is not taken while its key has a value of other software, and that is an error', async () => {
    const { lane, redis } = world;
    await redis.set(leaseKey(lane.keys, 'b1'), 'other', 'PX', 60_000);
    await expect(world.batcher.takeLease('b1', 1_000)).rejects.toMatchObject({ code: 'unexpected_answer' });
    expect(await redis.get(leaseKey(lane.keys, 'b1'))).toBe('other');
    expect(await redis.pttl(leaseKey(lane.keys, 'b1'))).toBeGreaterThan(1_000);
  });
});

describe('leaving', () => {
  test('removes lease and consumer, also when it is repeated', async () => {
    const { lane, redis } = world;
    await world.batcher.takeLease('b1', 60_000);
    await world.read('b1');
    await world.batcher.leave('b1');
    await world.batcher.leave('b1');
    expect(await world.batcher.consumers()).toEqual([]);
    expect(await redis.exists(leaseKey(lane.keys, 'b1'))).toBe(0);
  });

  test('with chunks pending keeps the consumer, so that they can be claimed', async () => {
    const id = await world.append(1);
    await world.batcher.takeLease('b1', 60_000);
    await world.read('b1');
    await world.batcher.leave('b1');
    expect(await world.pending('b1')).toEqual([id]);
    expect(await world.batcher.claim('b1', 'b2')).toEqual({ kind: 'removed', chunks: 1 });
    expect(await world.pending('b2')).toEqual([id]);
  });

  test('works for a lane that Redis lost', async () => {
    await world.redis.flushall();
    await expect(world.batcher.leave('b1')).resolves.toBeUndefined();
  });
});

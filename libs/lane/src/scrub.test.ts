import { describe, expect, test } from 'vitest';
import { LaneWorld } from './test/lane-world.ts';

const world = new LaneWorld();

async function scrubAll(consumer = 'b1'): Promise<number> {
  let restored = 0;
  let cursor = '0';
  do {
    const page = await world.batcher.scrub(consumer, cursor);
    restored += page.restored;
    cursor = page.cursor;
  } while (cursor !== '0');
  return restored;
}

describe('scrub', () => {
  test('invariant 7: chunks that an operator removed from the pending list are pending again', async () => {
    const [a, b, c] = [await world.append(2), await world.append(2), await world.append(2)];
    await world.read('b1');
    await world.seal('s1', [
      [a, 0, 2],
      [b, 0, 1],
    ]);
    await world.redis.xgroup('DELCONSUMER', world.lane.keys.chunks, 'batchers', 'b1');
    expect(await world.pending()).toEqual([]);
    expect(await scrubAll('b2')).toBe(2);
    expect(await world.pending('b2')).toEqual([b, c]);
    expect(await scrubAll('b2')).toBe(0);
  });

  test('takes nothing from another consumer', async () => {
    await world.append(2);
    await world.read('b1');
    const before = await world.everything();
    expect(await scrubAll('b2')).toBe(0);
    expect(await world.everything()).toEqual(before);
  });

  test('leaves a chunk that was never delivered to the next read, because two consumers would get it', async () => {
    await world.append(1);
    await world.read('b1');
    const next = await world.append(1);
    expect(await scrubAll('b2')).toBe(0);
    expect((await world.read('b1')).map((entry) => entry.id)).toEqual([next]);
  });

  test('walks many pages, and finds all of them', async () => {
    for (let n = 0; n < 700; n++) await world.append(1);
    await world.read('b1');
    await world.redis.xgroup('DELCONSUMER', world.lane.keys.chunks, 'batchers', 'b1');
    expect(await scrubAll('b2')).toBe(700);
  });

  test('ids are compared to their last digit', async () => {
    const { lane, redis } = world;
    const delivered = '1795430000000-18446744073709551610';
    const later = '1795430000000-18446744073709551611';
    for (const id of [delivered, later]) {
      await redis.xadd(lane.keys.chunks, id, 'v', '1', 'p', '2026/11/23/10', 'n', '1', 't', '1', 'b', '{}\n');
      await redis.hset(lane.keys.taken, id, '0/1');
    }
    await world.read('b1', 1);
    expect(await scrubAll('b2')).toBe(0);
    expect(await world.pending()).toEqual([delivered]);
  });

  test('a counter without chunk, or an unreadable one, is passed over', async () => {
    const id = await world.append(1);
    await world.read('b1');
    await world.redis.xgroup('DELCONSUMER', world.lane.keys.chunks, 'batchers', 'b1');
    await world.redis.hset(world.lane.keys.taken, '5-5', '0/1', 'what', '0/1', '6-6', 'ever');
    expect(await scrubAll('b2')).toBe(1);
    expect(await world.pending('b2')).toEqual([id]);
  });

  test('a lane whose stream is gone has nothing to restore', async () => {
    await world.redis.flushall();
    expect(await world.batcher.scrub('b1', '0')).toEqual({ cursor: '0', restored: 0 });
  });
});

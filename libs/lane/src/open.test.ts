import { describe, expect, test } from 'vitest';
import { rememberLanes } from './steps/lanes.ts';
import { LaneWorld, rolesOn } from './test/lane-world.ts';

const world = new LaneWorld();

describe('opening a lane', () => {
  test('gives it a uid once, and its group', async () => {
    expect(await world.batcher.open('another')).toBe('uid1');
    const { batcher } = rolesOn(world.port, 5);
    expect(await batcher.open('uid5')).toBe('uid5');
    expect(await batcher.read('b1', 1, 0)).toEqual([]);
  });

  test('changes nothing of a lane that is open', async () => {
    await world.append(1);
    await world.read();
    const before = await world.everything();
    await world.batcher.open('another');
    expect(await world.everything()).toEqual(before);
  });

  test('makes a group again that was removed, from the first chunk on', async () => {
    const id = await world.append(1);
    await world.read();
    await world.redis.xgroup('DESTROY', world.lane.keys.chunks, 'batchers');
    await expect(world.read()).rejects.toMatchObject({ code: 'NOGROUP' });
    await world.batcher.open('another');
    expect((await world.read('b2')).map((entry) => entry.id)).toEqual([id]);
  });

  test('a lane of a newer format is refused and left as it is', async () => {
    await world.redis.flushall();
    await world.redis.hset(world.lane.keys.meta, 'v', '2', 'uid', 'x');
    const before = await world.everything();
    await expect(world.batcher.open('uid')).rejects.toMatchObject({ code: 'NEWER' });
    expect(await world.everything()).toEqual(before);
  });
});

describe('writers', () => {
  test('get ids of their own, and none on a lane that was never opened', async () => {
    const { redis } = world;
    expect(
      new Set([world.writer, await world.ingest.registerWriter('n'), await world.ingest.registerWriter('n')]).size,
    ).toBe(3);
    await redis.flushall();
    await expect(world.ingest.registerWriter('n')).rejects.toMatchObject({ code: 'NOLANE' });
    expect(await redis.dbsize()).toBe(0);
  });

  test('an id is not given again after a failover has lost its registration', async () => {
    const { redis } = world;
    const { meta, writers } = world.lane.keys;
    const number = await redis.hget(meta, 'writers');
    const lost = await world.ingest.registerWriter('before');
    await redis
      .multi()
      .hset(meta, 'writers', number ?? '')
      .hdel(writers, lost)
      .exec();
    expect(await world.ingest.registerWriter('after')).not.toBe(lost);
  });

  test('an id is not given again after its writer was forgotten', async () => {
    await world.ingest.forgetWriter(world.writer);
    expect(await world.ingest.registerWriter('n')).not.toBe(world.writer);
  });

  test('those that appended nothing for long are retired, a page at a time, and no others', async () => {
    const { lane, redis } = world;
    for (let n = 0; n < 300; n++) await redis.hset(lane.keys.writers, `old.${n}`, `7 stored ${Date.now() - 100_000}`);
    await redis.hset(lane.keys.writers, 'foreign', 'what');
    let [cursor, retired] = ['0', 0];
    do {
      const page = await world.batcher.retireWriters(cursor, 50_000);
      cursor = page.cursor;
      retired += page.retired;
    } while (cursor !== '0');
    expect(retired).toBe(300);
    expect((await redis.hkeys(lane.keys.writers)).sort()).toEqual(['foreign', world.writer].sort());
    expect(await world.ingest.append(world.request(1))).toBe('stored');
  });

  test('invariant 5: an append that a writer sent before it was retired is refused', async () => {
    const { lane, redis } = world;
    const request = world.request(1);
    await redis.hset(lane.keys.writers, world.writer, `0 new ${Date.now() - 100_000}`);
    await world.batcher.retireWriters('0', 50_000);
    expect(await world.ingest.append(request)).toBe('unknown_writer');
  });
});

describe('the lanes of a sink', () => {
  test('one that is no longer configured is still known', async () => {
    expect(await rememberLanes(world.port, 'sink', 3)).toEqual([0, 1, 2]);
    expect(await rememberLanes(world.port, 'sink', 1)).toEqual([0, 1, 2]);
    expect(await rememberLanes(world.port, 'other', 1)).toEqual([0]);
  });

  test('values that are no lane numbers are left out', async () => {
    await world.redis.sadd('{sink}:lanes', 'what', '-1', '1.5', '12');
    expect(await rememberLanes(world.port, 'sink', 1)).toEqual([0, 12]);
  });
});

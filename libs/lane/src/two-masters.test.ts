import { type RedisServer, startRedis } from '@sink/testing';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { IoredisPort } from './ioredis-port.ts';
import { entryOf, LaneWorld, ready, type Roles, rolesOn, strictClient } from './test/lane-world.ts';

/** After a failover an old master still takes chunks for a while: both have what was there before. */
const world = new LaneWorld();
let server: RedisServer;
let client: Redis;
let other: Roles;

beforeAll(async () => {
  server = await startRedis();
  client = await ready(strictClient(server));
  other = rolesOn(new IoredisPort(client));
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await client.flushall();
});

async function copyToOther(): Promise<void> {
  for (const key of await world.redis.keys('*')) await client.restore(key, 0, await world.redis.dumpBuffer(key));
}

async function idsOn(redis: Redis): Promise<string[]> {
  return (await redis.xrange(world.lane.keys.chunks, '-', '+')).map(([id]) => id);
}

async function appendedOnBoth(chunks: number): Promise<void> {
  const writer = await other.ingest.registerWriter('other');
  for (let n = 0; n < chunks; n++) {
    const on = world.ingest.append(world.request(1));
    const there = other.ingest.append(world.request(1, { writer }));
    expect(await Promise.all([on, there])).toEqual(['stored', 'stored']);
  }
}

test('two masters never give one id to two chunks', async () => {
  const before = await world.append(1);
  await copyToOther();
  await appendedOnBoth(300);
  const [ids, theirs] = [await idsOn(world.redis), await idsOn(client)];
  expect(ids).toHaveLength(301);
  expect(theirs).toHaveLength(301);
  expect(ids.filter((id) => theirs.includes(id))).toEqual([before]);
});

test('nor to chunks of appends for several destinations', async () => {
  await copyToOther();
  const writer = await other.ingest.registerWriter('other');
  const entries = Array.from({ length: 20 }, (_, n) => entryOf(1, { path: `p${n}` }));
  for (let n = 0; n < 20; n++) {
    const on = world.ingest.append(world.request(0, { entries }));
    const there = other.ingest.append(world.request(0, { entries, writer }));
    expect(await Promise.all([on, there])).toEqual(['stored', 'stored']);
  }
  const [ids, theirs] = [await idsOn(world.redis), await idsOn(client)];
  expect([ids.length, theirs.length]).toEqual([400, 400]);
  expect(ids.filter((id) => theirs.includes(id))).toEqual([]);
});

test('nor while their clocks are behind the last chunk', async () => {
  const last = `${Date.now() + 60_000}-7`;
  await world.redis.xadd(world.lane.keys.chunks, last, 'of', 'a master whose clock was ahead');
  await copyToOther();
  await appendedOnBoth(5);
  const [ids, theirs] = [await idsOn(world.redis), await idsOn(client)];
  expect(ids).toHaveLength(6);
  expect(ids.filter((id) => theirs.includes(id))).toEqual([last]);
});

import { expect, test } from 'vitest';
import { demandKey } from './keys.ts';
import { reportDemand, withdrawDemand } from './steps/demand.ts';
import { LaneWorld } from './test/lane-world.ts';

const world = new LaneWorld();
const key = demandKey('sink');
const report = (me: string, text = `report of ${me}`, ttlMs = 3_000) =>
  reportDemand(world.port, 'sink', { me, report: text, ttlMs });

test('each process reads the newest reports of all, and the time of Redis', async () => {
  await report('a', 'old');
  await report('b', '{"a": "b c"}');
  const { nowMs, reports } = await report('a');
  expect(Object.fromEntries(reports)).toEqual({ a: 'report of a', b: '{"a": "b c"}' });
  const [seconds] = await world.redis.time();
  expect(Math.abs(nowMs / 1000 - Number(seconds))).toBeLessThan(2);
});

test('a process that was killed is forgotten after the time to live, one that leaves at once', async () => {
  await report('killed', 'x', 100);
  await report('leaves', 'x', 100);
  await withdrawDemand(world.port, 'sink', 'leaves');
  expect([...(await report('a', 'x', 100)).reports.keys()].sort()).toEqual(['a', 'killed']);
  await new Promise((resolve) => setTimeout(resolve, 120));
  expect([...(await report('a', 'x', 100)).reports.keys()]).toEqual(['a']);
  expect(await world.redis.hkeys(key)).toEqual(['a']);
});

test('without reports the key expires', async () => {
  await report('a', 'x', 50);
  expect(await world.redis.pttl(key)).toBeGreaterThan(0);
  await expect.poll(() => world.redis.exists(key)).toBe(0);
});

test('a report from the future, before the clock of Redis jumped back, is dropped, and what nobody understands too', async () => {
  await world.redis.hset(key, 'future', `${Date.now() + 3_600_000} x`);
  await world.redis.hset(key, 'foreign', 'x');
  expect([...(await report('a')).reports.keys()]).toEqual(['a']);
  expect(await world.redis.hkeys(key)).toEqual(['a']);
});

test('at maxmemory it is refused whole', async () => {
  await report('a');
  const before = await world.redis.hgetall(key);
  await world.redis.config('SET', 'maxmemory', '1mb');
  try {
    await expect(report('b')).rejects.toMatchObject({ code: 'OOM' });
  } finally {
    await world.redis.config('SET', 'maxmemory', '0');
  }
  expect(await world.redis.hgetall(key)).toEqual(before);
});

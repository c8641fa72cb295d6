import { IoredisPort, RedisInDoubt, type RedisPort, rememberLanes } from '@sink/lane';
import { type RedisServer, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { announceLanes } from './announce-lanes.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** A real, empty Redis whose first answers to scripts are lost on the way. */
async function lossyRedis(lost: number): Promise<{ lossy: RedisPort; sound: RedisPort }> {
  const redis = new Redis(server.url);
  onTestFinished(() => redis.disconnect());
  await redis.flushall();
  const sound = new IoredisPort(redis);
  let left = lost;
  const lossy: RedisPort = {
    call: (...given) => sound.call(...given),
    callBuffer: (...given) => sound.callBuffer(...given),
    run: async (...given) => {
      const answer = await sound.run(...given);
      left -= 1;
      if (left >= 0) throw new RedisInDoubt('running a script');
      return answer;
    },
  };
  return { lossy, sound };
}

test('ingest waits for a Redis that goes away in the middle of a start, and readiness names it', async () => {
  const { lossy, sound } = await lossyRedis(2);
  const said: (string | null)[] = [];
  const readiness = { set: (_name: string, problem: string | null) => void said.push(problem) };
  const clock = { sleep: () => Promise.resolve() };
  await announceLanes('sink', 3, {
    redis: lossy,
    readiness,
    clock,
    random: Math.random,
    signal: new AbortController().signal,
  });
  expect(said).toEqual([expect.stringContaining('no answer'), expect.stringContaining('no answer'), null]);
  expect(await rememberLanes(sound, 'sink', 1)).toEqual([0, 1, 2]);
});

test('stopping ends the wait', async () => {
  const { lossy } = await lossyRedis(Number.MAX_SAFE_INTEGER);
  const stop = new AbortController();
  const clock = { sleep: async () => stop.abort(new Error('stopped')) };
  const ports = {
    redis: lossy,
    readiness: { set: () => undefined },
    clock,
    random: Math.random,
    signal: stop.signal,
  };
  await expect(announceLanes('sink', 1, ports)).rejects.toThrow('stopped');
});

import { DEFAULT_ROUTE } from '@sink/domain';
import { BatcherLane, IngestLane, IoredisPort, rememberLanes } from '@sink/lane';
import { startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeOtherSinks } from './other-sinks.ts';

let server: Awaited<ReturnType<typeof startRedis>>;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

async function append(name: string, events: number): Promise<void> {
  const port = new IoredisPort(redis);
  await rememberLanes(port, name, 2);
  const lane = new IngestLane(port, name, 1);
  await lane.open('f00d');
  const body = Buffer.from('{}\n'.repeat(events));
  await lane.append({
    writer: await lane.registerWriter('n'),
    sequence: 1,
    entries: [{ route: DEFAULT_ROUTE, path: '2026/11/23/10', count: events, body, bytes: body.length }],
    furtherBytes: 0,
    acceptedAtMs: 1_795_430_000_000,
    backlogBytesMax: 1e9,
  });
}

test('a sink whose events nothing works on is named, with how many they are', async () => {
  await append('old-name', 7);
  await append('new-name', 3);
  expect(await describeOtherSinks(redis, 'new-name')).toEqual([
    expect.stringMatching(/^7 events of the sink "old-name" wait .* sink_name: old-name until/),
  ]);
});

test('a sink that is alive, or has no events, is not', async () => {
  await append('alive', 7);
  await new BatcherLane(new IoredisPort(redis), 'alive', 0).takeLease('b-1', 60_000);
  await rememberLanes(new IoredisPort(redis), 'empty', 1);
  await redis.set('{other}:lanes', 'of another program');
  expect(await describeOtherSinks(redis, 'new-name')).toEqual([]);
  // Nothing else runs on a sink's own Redis: a lease there is one of a process that was killed.
  expect(await describeOtherSinks(redis, 'new-name', { shared: false })).toHaveLength(1);
});

test('a user who may read the keys of its own sink only sees no others, and no error', async () => {
  await append('old-name', 7);
  await redis.acl('SETUSER', 'small', 'on', '>secret', '~{new-name*', '+@all');
  const small = new Redis(server.url, { username: 'small', password: 'secret' });
  expect(await describeOtherSinks(small, 'new-name')).toEqual([]);
  small.disconnect();
  expect(await describeOtherSinks(small, 'new-name')).toEqual([]);
});

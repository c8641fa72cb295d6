import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { IoredisPort } from './ioredis-port.ts';
import { LaneWorld, ndjson, ready, type Roles, rolesOn, strictClient } from './test/lane-world.ts';

const world = new LaneWorld();

describe.each([
  ['RESP2', { protocol: 2 }],
  ['RESP3, replies as in RESP2', { protocol: 3, replyMapping: 'legacy' }],
  ['RESP3', { protocol: 3, replyMapping: 'resp3' }],
] as const)('reading a lane over %s', (_, options) => {
  async function withLane(use: (on: Roles, client: Redis) => Promise<void>): Promise<void> {
    const client = await ready(strictClient(world.server, options));
    try {
      await use(rolesOn(new IoredisPort(client)), client);
    } finally {
      client.disconnect();
    }
  }

  test('chunks are delivered once, in order, with their bytes', async () => {
    const ids = [await world.append(2, { body: ndjson(2, 'é') }), await world.append(3)];
    await withLane(async (on) => {
      const [first, ...rest] = await on.batcher.read('b1', 10, 0);
      expect(first).toMatchObject({
        kind: 'chunk',
        id: ids[0],
        chunk: {
          route: '_default',
          path: '2026/11/23/10',
          count: 2,
          acceptedAtMs: 1_795_430_000_000,
          body: Buffer.from(ndjson(2, 'é')),
        },
      });
      expect(rest.map((entry) => entry.id)).toEqual(ids.slice(1));
      expect(await on.batcher.read('b1', 10, 0)).toEqual([]);
    });
  });

  test('a read that waits gets what is appended meanwhile, and ends when nothing is appended', async () => {
    await withLane(async (on) => {
      expect(await on.batcher.read('b1', 10, 20)).toEqual([]);
      const reading = on.batcher.read('b1', 10, 20_000);
      const id = await world.append(1);
      expect((await reading).map((entry) => entry.id)).toEqual([id]);
    });
  });

  test('consumers, pending ids, records and counters are read', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 130; n++) ids.push(await world.append(2));
    await world.read('b1');
    await world.seal('s1', [[ids[0] ?? '', 0, 1]]);
    await withLane(async (on) => {
      expect(await on.batcher.consumers()).toEqual(['b1']);
      const page = await on.batcher.pending('b1', '');
      expect([...page, ...(await on.batcher.pending('b1', page.at(-1) ?? ''))]).toEqual(ids);
      expect(await on.batcher.pending('b2', '')).toEqual([]);
      expect(await Array.fromAsync(on.lane.records())).toEqual([['s1']]);
      expect((await on.lane.record('s1'))?.slices).toEqual([[ids[0], 0, 1]]);
      expect([await on.lane.hasRecord('s1'), await on.lane.hasRecord('s2'), await on.lane.record('s2')]).toEqual([
        true,
        false,
        null,
      ]);
      expect(await on.batcher.taken([ids[0] ?? '', ids[1] ?? '', '9-9'])).toEqual([1, 0, null]);
      expect(await on.lane.backlog()).toMatchObject({ events: 260, segments: 1, receipts: 0 });
    });
  });

  test('the oldest chunk that is not wholly sealed is found, delivered or not', async () => {
    const { redis } = world;
    await withLane(async (on) => {
      expect(await on.lane.oldestUnsealedMs()).toBeNull();
      await redis.xadd(on.lane.keys.chunks, '1000-0', 'x', '1');
      await redis.xadd(on.lane.keys.chunks, '2000-0', 'x', '1');
      expect(await on.lane.oldestUnsealedMs()).toBe(1_000);
      await on.batcher.read('b1', 1, 0);
      expect(await on.lane.oldestUnsealedMs()).toBe(1_000);
      await on.batcher.acknowledge('1000-0');
      expect(await on.lane.oldestUnsealedMs()).toBe(2_000);
      await redis.del(on.lane.keys.chunks);
      expect(await on.lane.oldestUnsealedMs()).toBeNull();
    });
  });

  test('a chunk that was deleted while it was pending is seen as deleted', async () => {
    const id = await world.append(1);
    await world.read('b1');
    await world.redis.xdel(world.lane.keys.chunks, id);
    await withLane(async (on) => {
      expect(await on.lane.entry(id)).toEqual({ kind: 'deleted', id });
      expect(await on.batcher.pending('b1', '')).toEqual([id]);
      await on.batcher.acknowledge(id);
      expect(await on.batcher.pending('b1', '')).toEqual([]);
    });
  });

  test('the same answers to steps', async () => {
    await withLane(async (on) => {
      const id = await world.append(1);
      expect(await on.batcher.open('x')).toBe('uid1');
      expect(await on.ingest.registerWriter('n')).toMatch(/^uid1\.\d+\.n$/);
      await on.batcher.takeLease('b1', 60_000);
      await on.batcher.read('b1', 1, 0);
      expect(await on.batcher.scrub('b1', '0')).toEqual({ cursor: '0', restored: 0 });
      expect(await on.batcher.retireWriters('0', 60_000)).toEqual({ cursor: '0', retired: 0 });
      expect(await on.batcher.claim('b1', 'b2')).toEqual({ kind: 'alive', chunks: 0 });
      expect(await on.batcher.pending('b1', '')).toEqual([id]);
    });
  });
});

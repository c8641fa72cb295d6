import { beforeEach, describe, expect, test } from 'vitest';
import { rememberLanes } from './steps/lanes.ts';
import { LaneWorld, rolesOn, ndjson, receiptOf } from './test/lane-world.ts';

const world = new LaneWorld({ args: ['--maxmemory', '12mb'] });

/** Keys of other software fill Redis; `steps` work all the same, and Redis is still full afterwards. */
async function atMaxmemory(steps: () => Promise<void>): Promise<void> {
  const full = () => expect(world.redis.set('probe', 'x'.repeat(1_000))).rejects.toThrow(/^OOM/);
  await world.fillMemory();
  // Well below what is used, so that no buffer that Redis gives back makes room.
  await world.redis.config('SET', 'maxmemory', '11mb');
  await full();
  // Scripts are not in Redis' cache either: after a restart there, each step is loaded at maxmemory.
  await world.redis.script('FLUSH');
  await steps();
  await full();
}

describe('invariant 9: at maxmemory, filled by foreign keys', () => {
  let ids: string[] = [];
  beforeEach(async () => {
    await world.redis.config('SET', 'maxmemory', '12mb');
    ids = [await world.append(2), await world.append(3), await world.append(4)];
  });

  test('chunks are read, sealed and committed, and then nothing of them is left', async () => {
    const { lane } = world;
    const [a = '', b = '', c = ''] = ids;
    await atMaxmemory(async () => {
      await world.batcher.takeLease('b1', 60_000);
      expect(await lane.leaseExists('b1')).toBe(true);
      expect((await world.read('b1')).map((entry) => entry.id)).toEqual(ids);
      expect(
        await world.seal('s1', [
          [a, 0, 2],
          [b, 0, 1],
        ]),
      ).toBeNull();
      expect(
        await world.seal('s1', [
          [a, 0, 2],
          [b, 0, 1],
        ]),
      ).toBeNull();
      expect(
        await world.seal('s2', [
          [b, 1, 3],
          [c, 0, 4],
        ]),
      ).toBeNull();
      expect(await world.uploader.commit(receiptOf('s1'), 100)).toBe('committed');
      const s2 = await lane.record('s2');
      expect(s2 && (await world.batcher.release(s2, 'spool-1'))).toBe('released');
      expect(await world.uploader.commit(receiptOf('s2'), 100)).toBe('committed');
      expect(s2 && (await world.batcher.adopt(s2, 'spool-1'))).toBe('adopted');
      expect(await world.uploader.commit(receiptOf('s2'), 100)).toBe('committed');
      expect(await world.batcher.renewLease('b1', 60_000)).toBe(true);
    });
    expect(await lane.backlog()).toEqual({ events: 0, bytes: 0, segments: 0, receipts: 3 });
  });

  test('a batcher takes over, and restores chunks that are in no pending list', async () => {
    const { lane, redis } = world;
    await world.read('dead');
    await atMaxmemory(async () => {
      expect(await world.batcher.claim('dead', 'b2')).toEqual({ kind: 'removed', chunks: 3 });
      await redis.xgroup('DELCONSUMER', lane.keys.chunks, 'batchers', 'b2');
      expect(await world.batcher.scrub('b3', '0')).toEqual({ cursor: '0', restored: 3 });
      expect((await world.batcher.retireWriters('0', -1)).retired).toBe(1);
    });
  });

  test('barriers and the age of the backlog work', async () => {
    await atMaxmemory(async () => {
      const wanted = { waitaof: false, replicas: 1, timeoutMs: 20 };
      expect(await world.uploader.reachedAfterWrite(wanted)).toBe(false);
      expect(await world.uploader.reachedAfterWrite({ ...wanted, replicas: 0 })).toBe(true);
      expect(await world.lane.oldestUnsealedMs()).toBe(Number(ids[0]?.split('-', 1)[0]));
    });
  });

  test('a lane that Redis does not have yet is opened', async () => {
    await atMaxmemory(async () => {
      const { batcher } = rolesOn(world.port, 7);
      expect(await batcher.open('uid7')).toBe('uid7');
      expect(await batcher.read('b1', 1, 0)).toEqual([]);
      expect(await rememberLanes(world.port, 'sink', 2)).toEqual([0, 1]);
    });
  });

  test('an append is refused and changes nothing; its repeat is stored once there is room', async () => {
    const { lane, redis } = world;
    const request = world.request(1);
    await atMaxmemory(async () => {
      const before = await redis.dumpBuffer(lane.keys.writers);
      await expect(world.ingest.append(request)).rejects.toMatchObject({ code: 'OOM' });
      expect((await redis.dumpBuffer(lane.keys.writers)).equals(before)).toBe(true);
      expect(await redis.xlen(lane.keys.chunks)).toBe(3);
      expect((await lane.backlog()).events).toBe(9);
      await expect(world.ingest.registerWriter('n')).rejects.toMatchObject({ code: 'OOM' });
    });
    await redis.config('SET', 'maxmemory', '100mb');
    expect(await world.ingest.append(request)).toBe('stored');
    expect(await redis.xlen(lane.keys.chunks)).toBe(4);
  });

  test('the repeat of an append that was stored before is answered', async () => {
    const { lane, redis } = world;
    const request = world.request(1, { body: ndjson(1) });
    expect(await world.ingest.append(request)).toBe('stored');
    await atMaxmemory(async () => {
      expect(await world.ingest.append(request)).toBe('stored');
      expect(await world.ingest.append({ ...request, sequence: request.sequence - 1 })).toBe('stale');
      expect(await world.ingest.append({ ...request, writer: 'unknown' })).toBe('unknown_writer');
      expect(await redis.xlen(lane.keys.chunks)).toBe(4);
      expect(await redis.ttl(lane.keys.writers)).toBe(-1);
    });
  });
});

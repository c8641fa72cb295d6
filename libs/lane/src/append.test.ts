import { describe, expect, test } from 'vitest';
import { IngestLane } from './ingest-lane.ts';
import { entryOf, LaneWorld, ndjson } from './test/lane-world.ts';

const world = new LaneWorld();

describe('append', () => {
  test('stores a chunk with its counters', async () => {
    const id = await world.append(3, { body: ndjson(3) });
    const { lane, redis } = world;
    expect(await redis.xrange(lane.keys.chunks, id, id)).toEqual([
      [id, ['v', '1', 'p', '2026/11/23/10', 'n', '3', 't', '1795430000000', 'b', ndjson(3)]],
    ]);
    expect(await redis.hget(lane.keys.taken, id)).toBe('0/3');
    expect(await redis.hget(lane.keys.left, id)).toMatch(/^3 \d+$/);
    const { events, bytes } = await lane.backlog();
    expect(events).toBe(3);
    expect(bytes).toBeGreaterThan(ndjson(3).length);
  });

  test('a chunk carries along where its sampled requests come from, and is counted with it', async () => {
    const { lane, redis } = world;
    const origins = `[1,[0,1,"${'a'.repeat(32)}-${'b'.repeat(16)}"]]`;
    const plain = await world.append(1);
    const { bytes } = await lane.backlog();
    const traced = await world.append(1, { origins });
    expect(await redis.xrange(lane.keys.chunks, traced, traced)).toEqual([
      [traced, expect.arrayContaining(['o', origins])],
    ]);
    expect((await lane.backlog()).bytes).toBe(2 * bytes + origins.length);
    expect(await lane.entry(traced)).toMatchObject({ chunk: { origins, count: 1 } });
    expect(await lane.entry(plain)).toMatchObject({ chunk: { origins: null } });
  });

  test('a field that this release does not know is left to one that does', async () => {
    const { lane, redis } = world;
    const fields = ['v', '1', 'later', 'x', 'p', '2026/11/23/10', 'n', '1', 't', '1', 'b', 'x\n', 'o', ''];
    const id = (await redis.xadd(lane.keys.chunks, '*', ...fields)) ?? '';
    expect(await lane.entry(id)).toMatchObject({ kind: 'chunk', chunk: { count: 1, body: Buffer.from('x\n') } });
  });

  test('invariant 5: the last sequence again stores nothing and gives the stored answer', async () => {
    const { lane, redis } = world;
    const request = world.request(2);
    expect(await world.ingest.append(request)).toBe('stored');
    const before = await world.everything();
    expect(await world.ingest.append(request)).toBe('stored');
    expect(await world.ingest.append({ ...request, entries: [entryOf(5)] })).toBe('stored');
    expect(await world.everything()).toEqual(before);
    expect(await redis.ttl(lane.keys.writers)).toBe(-1);
  });

  test('a repeat writes something, so that WAIT and WAITAOF cover it', async () => {
    const request = world.request(1);
    await world.ingest.append(request);
    const offset = async () => Number(/master_repl_offset:(\d+)/.exec(await world.redis.info('replication'))?.[1]);
    const aofBytes = async () => Number(/aof_current_size:(\d+)/.exec(await world.redis.info('persistence'))?.[1]);
    const before = [await offset(), await aofBytes()] as const;
    await world.ingest.append(request);
    expect((await aofBytes()) > before[1] || (await offset()) > before[0]).toBe(true);
  });

  test('invariant 5: an older sequence is refused and changes nothing', async () => {
    const first = world.request(1);
    await world.ingest.append(first);
    await world.append(1);
    const before = await world.everything();
    expect(await world.ingest.append(first)).toBe('stale');
    expect(await world.everything()).toEqual(before);
  });

  test('a sequence may skip numbers: a chunk that was never sent leaves no gap', async () => {
    await world.append(1);
    expect(await world.ingest.append(world.request(1, { sequence: 90 }))).toBe('stored');
    expect(await world.ingest.append(world.request(1, { sequence: 89 }))).toBe('stale');
  });

  test('invariant 5: an unknown or forgotten writer is refused and changes nothing', async () => {
    const request = world.request(1);
    await world.ingest.append(request);
    await world.ingest.forgetWriter(world.writer);
    const before = await world.everything();
    expect(await world.ingest.append(request)).toBe('unknown_writer');
    expect(await world.ingest.append({ ...request, writer: 'unknown' })).toBe('unknown_writer');
    expect(await world.everything()).toEqual(before);
  });

  test('a writer of a Redis that started empty since is unknown, also when that one has as many writers', async () => {
    const request = world.request(1);
    await world.redis.flushall();
    await world.batcher.open('uid2');
    await world.ingest.registerWriter('n');
    expect(await world.ingest.append(request)).toBe('unknown_writer');
  });

  test('writers do not share sequences', async () => {
    const other = await world.ingest.registerWriter('n');
    expect(await world.ingest.append(world.request(1, { sequence: 1 }))).toBe('stored');
    expect(await world.ingest.append(world.request(1, { sequence: 1, writer: other }))).toBe('stored');
    expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(2);
  });

  test('a full backlog refuses, and a late copy of the refused chunk is refused too when there is room again', async () => {
    const request = world.request(10, { backlogBytesMax: 50 });
    expect(await world.ingest.append(request)).toBe('full');
    expect(await world.ingest.append({ ...request, backlogBytesMax: 1_000_000 })).toBe('full');
    expect(await world.redis.exists(world.lane.keys.chunks)).toBe(1);
    expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(0);
    expect((await world.lane.backlog()).events).toBe(0);
    expect(await world.ingest.append({ ...request, sequence: request.sequence + 1, backlogBytesMax: 1_000_000 })).toBe(
      'stored',
    );
  });

  test('the sequence is looked at before the backlog: a stored chunk is answered with the backlog full', async () => {
    const request = world.request(1);
    await world.ingest.append(request);
    expect(await world.ingest.append({ ...request, backlogBytesMax: 0 })).toBe('stored');
  });

  test('append needs room also for the chunks that follow', async () => {
    const max = 10_000;
    expect(await world.ingest.append(world.request(1, { backlogBytesMax: max, furtherBytes: max }))).toBe('full');
    expect(await world.ingest.append(world.request(1, { backlogBytesMax: max, furtherBytes: max / 2 }))).toBe('stored');
  });

  test('large counters keep all their digits', async () => {
    const { redis, lane } = world;
    const large = 1e15 + 1;
    await redis.hset(lane.keys.backlog, 'bytes', String(large), 'events', String(large));
    const more = {
      backlogBytesMax: Number.MAX_SAFE_INTEGER,
      acceptedAtMs: 8_640_000_000_000_000,
      sequence: 90_000_000_000_000,
    };
    const id = await world.append(7, more);
    expect(await redis.hget(lane.keys.backlog, 'events')).toBe(String(large + 7));
    expect(await redis.hget(lane.keys.writers, world.writer)).toMatch(/^90000000000000 stored \d{13}$/);
    const entry = await lane.entry(id);
    expect(entry.kind === 'chunk' && entry.chunk.acceptedAtMs).toBe(8_640_000_000_000_000);
  });

  test('an event of any bytes comes back as it was', async () => {
    const body = `{"data":"héllo € 😀 \\u0000 %s \${x}"}\n{"x":"${'é'.repeat(5_000)}"}\n`;
    const id = await world.append(2, { body });
    const entry = await world.lane.entry(id);
    expect(entry.kind === 'chunk' && entry.chunk.body.equals(Buffer.from(body))).toBe(true);
  });

  test('lanes of one sink, and sinks in one Redis, share nothing', async () => {
    const other = new IngestLane(world.port, 'other', 0);
    await other.open('uid9');
    const second = new IngestLane(world.port, 'sink', 1);
    await second.open('uid8');
    await world.append(1);
    expect((await other.backlog()).events + (await second.backlog()).events).toBe(0);
    expect(await other.append(world.request(1))).toBe('unknown_writer');
    expect(await second.append(world.request(1))).toBe('unknown_writer');
  });
});

import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { QUARANTINE_ROUTE, type SegmentRecord } from '@sink/domain';
import { BatcherLane, IoredisPort } from '@sink/lane';
import { SpoolDirectory } from '@sink/spool';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { BATCHER_LIMITS } from '../settings.ts';
import { BatcherWorld, SINK } from '../test/batcher-world.ts';
import { HookedPort } from '../test/hooked-port.ts';
import { Spiller } from './spiller.ts';
import { SpoolJanitor, type Tidied } from './spool-janitor.ts';

const world = new BatcherWorld();
const SPOOL_ID = 'spool-1';

interface Spilling {
  readonly spiller: Spiller;
  readonly queued: string[];
  readonly failures: unknown[];
  readonly working: () => number;
  readonly closedEarly: () => number;
}

function spilling(
  spillAtBytes: number,
  { uploader = true, inUse = '', lane = world.lane, replicas = 0 } = {},
): Spilling {
  const queued: string[] = [];
  const failures: unknown[] = [];
  let [closed, working] = [0, 0];
  const spiller = new Spiller(
    {
      spool: new SpoolDirectory(world.spoolDir),
      lanes: [{ lane, closeEarly: () => void (closed += 1) }],
      clock: world.clock,
      uploaderIsHere: async () => uploader,
      uploads: { add: async (_lane, id) => void queued.push(id) },
      isClosing: (id) => id === inUse,
      released: () => undefined,
      reporter: { failed: ({ err }) => void failures.push(err), succeeded: () => void (working += 1) },
    },
    { ...BATCHER_LIMITS, spoolId: SPOOL_ID, spillAtBytes, barrier: { waitaof: false, replicas, timeoutMs: 20 } },
  );
  return { spiller, queued, failures, working: () => working, closedEarly: () => closed };
}

const never = new AbortController().signal;

/** Segments of five events each, sealed by a batcher that is gone. */
async function sealed(segments: number, lineBytes = 10): Promise<SegmentRecord[]> {
  const lines = Array.from({ length: 5 }, (_, id) => JSON.stringify({ id, fill: 'x'.repeat(lineBytes) }));
  for (let n = 0; n < segments; n++) await world.append(5, { lines });
  const batcher = world.batcher({ flushSize: 5 });
  await eventually(async () => expect(await world.counts()).toHaveLength(segments));
  await batcher.stop();
  return world.records();
}

function path({ spool, id }: SegmentRecord, state: 'segment' | 'spilled' | 'quarantined'): string {
  return join(world.spoolDir, spool, `${id}.${state}`);
}

function tidy(replicas = 0): Promise<Tidied> {
  const ports = { spool: new SpoolDirectory(world.spoolDir), lanes: [world.lane], isClosing: () => false };
  const settings = { ...BATCHER_LIMITS, barrier: { waitaof: false, replicas, timeoutMs: 50 } };
  return new SpoolJanitor(ports, settings, { instance: 'b-me', spoolId: SPOOL_ID }).tidy();
}

async function spilledOne(): Promise<SegmentRecord> {
  const [record] = await sealed(1);
  await spilling(1).spiller.round(never);
  if (!record) throw new Error('nothing was sealed');
  return record;
}

describe('a backlog above spill_at', () => {
  test('sealed segments leave Redis, their files stay, marked, and get upload jobs of this spool', async () => {
    const records = await sealed(3);
    const { spiller, queued } = spilling(1);
    await spiller.round(never);
    expect(queued.toSorted()).toEqual(records.map(({ id }) => id).toSorted());
    expect(await world.lane.backlog()).toMatchObject({ events: 0, segments: 0 });
    expect(await world.lane.spilledBacklog()).toMatchObject({ events: 15, segments: 3 });
    expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(0);
    for (const record of records) {
      expect([existsSync(path(record, 'segment')), existsSync(path(record, 'spilled'))]).toEqual([false, true]);
      expect(await world.lane.spilledRecord(record.id)).toMatchObject({ spoolId: SPOOL_ID, key: record.key });
      expect(await world.lines(record)).toHaveLength(5);
    }
    await spiller.round(never);
    expect(queued).toHaveLength(3);
  });

  test('a segment is neither marked nor released while its seal is not as durable as configured (invariant 4)', async () => {
    const [record] = await sealed(1);
    if (!record) throw new Error('nothing was sealed');
    const { spiller, queued } = spilling(1, { replicas: 1 });
    await expect(spiller.round(never)).rejects.toMatchObject({ code: 'NOTDURABLE' });
    expect([existsSync(path(record, 'segment')), existsSync(path(record, 'spilled'))]).toEqual([true, false]);
    expect(await world.lane.spilledRecord(record.id)).toBeNull();
    expect(queued).toEqual([]);
  });

  test('a segment whose seal was lost by a failover before the barrier is neither marked nor released', async () => {
    const [record] = await sealed(1);
    if (!record) throw new Error('nothing was sealed');
    const port = new HookedPort(new IoredisPort(world.redis));
    let reads = 0;
    port.after = async (name) => {
      // The record was read from the master that is replaced; the new one never knew the seal.
      if (name === 'HGET' && ++reads === 1) await world.redis.hdel(world.lane.keys.records, record.id);
    };
    const { spiller, queued } = spilling(1, { lane: new BatcherLane(port, SINK, 0) });
    await spiller.round(never);
    expect(reads).toBeGreaterThan(0);
    expect([existsSync(path(record, 'segment')), existsSync(path(record, 'spilled'))]).toEqual([true, false]);
    expect(queued).toEqual([]);
  });

  test('a segment that is redirected while its file is marked is released for its new bucket', async () => {
    await world.append(5, { lines: Array.from({ length: 5 }, (_, n) => `"refused ${n}"`), route: QUARANTINE_ROUTE });
    const batcher = world.batcher({ flushSize: 5 });
    await eventually(async () => expect(await world.counts()).toHaveLength(1));
    await batcher.stop();
    const [record] = await world.records();
    if (!record) throw new Error('nothing was sealed');
    const port = new HookedPort(new IoredisPort(world.redis));
    let reads = 0;
    port.after = async (name) => {
      if (name !== 'HGET' || ++reads !== 1) return;
      await world.redis.hset(world.lane.keys.records, record.id, JSON.stringify({ ...record, bucket: 'new' }));
    };
    const { spiller, queued } = spilling(1, { lane: new BatcherLane(port, SINK, 0) });
    await spiller.round(never);
    expect(queued).toEqual([record.id]);
    expect(await world.lane.spilledRecord(record.id)).toMatchObject({ bucket: 'new' });
  });

  test('a segment of version 2 is released as it is, and one of a newer release keeps no other in Redis', async () => {
    const { records, taken } = world.lane.keys;
    const lines = Array.from({ length: 5 }, (_, n) => `"refused ${n}"`);
    await world.append(5, { lines, route: QUARANTINE_ROUTE });
    await world.append(5);
    await world.append(5);
    const batcher = world.batcher({ flushSize: 5 });
    await eventually(async () => expect(await world.counts()).toHaveLength(3));
    await batcher.stop();
    const [routed, newer, plain] = await world.records();
    if (!routed || !newer || !plain) throw new Error('three segments are missing');
    const json = JSON.stringify({ ...newer, v: 3 });
    await world.redis.hset(records, newer.id, json);
    const { spiller, queued } = spilling(1);
    await spiller.round(never);
    expect(queued.toSorted()).toEqual([routed.id, plain.id].sort());
    expect(await world.lane.spilledRecord(routed.id)).toMatchObject({ v: 2, route: QUARANTINE_ROUTE, key: routed.key });
    expect(existsSync(path(newer, 'segment'))).toBe(true);
    expect(await world.redis.hget(records, newer.id)).toBe(json);
    expect(await world.redis.hlen(taken)).toBe(1);
  });

  test('below it nothing is released', async () => {
    await sealed(2);
    const { spiller, queued } = spilling((await world.lane.backlog()).bytes + 1);
    await spiller.round(never);
    expect(queued).toEqual([]);
  });

  test('only as much as is needed is released', async () => {
    await sealed(40, 10_000);
    const half = (await world.lane.backlog()).bytes * 0.75;
    await spilling(half).spiller.round(never);
    expect((await world.lane.spilledBacklog()).segments).toBeLessThan(40);
    expect((await world.lane.backlog()).bytes).toBeLessThan(half);
  });

  test('where nothing sealed is left, what is open is sealed early', async () => {
    await world.append(3);
    const { spiller, closedEarly } = spilling(1);
    await spiller.round(never);
    expect(closedEarly()).toBe(1);
    const batcher = world.batcher();
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    batcher.closeEarly();
    await eventually(async () => expect(await world.counts()).toEqual([3]));
  });

  test('without an uploader on this spool nothing is released, because no other uploader could upload it', async () => {
    const [record] = await sealed(1);
    const { spiller, queued } = spilling(1, { uploader: false });
    await spiller.round(never);
    expect(queued).toEqual([]);
    expect(record && (await world.lane.hasRecord(record.id))).toBe(true);
  });

  test.each([
    ['is damaged', (file: string) => writeFileSync(file, readFileSync(file).fill(0, 0, 1))],
    ['is cut off', (file: string) => truncateSync(file, 10)],
    ['holds another segment', (file: string, other: string) => writeFileSync(file, readFileSync(other))],
  ])('a file that %s is not relied on: its events stay in Redis', async (_, damage) => {
    const [record, other] = await sealed(2);
    if (!record || !other) throw new Error('nothing was sealed');
    damage(path(record, 'segment'), path(other, 'segment'));
    const { spiller, queued } = spilling(1);
    await spiller.round(never);
    await spiller.round(never);
    expect(queued).toEqual([other.id]);
    expect(await world.lane.hasRecord(record.id)).toBe(true);
    expect(existsSync(path(record, 'spilled'))).toBe(false);
  });

  test.each(['key', 'bytes', 'compression'] as const)(
    'a file whose own record has another %s than the sealed one is not relied on',
    async (field) => {
      const [record] = await sealed(1);
      if (!record) throw new Error('nothing was sealed');
      const lines = (await world.lines(record)).map((line) => `${line}\n`).join('');
      rmSync(path(record, 'segment'));
      const other = { key: `${record.key}-other`, bytes: record.bytes + 1, compression: 'gzip' };
      const spool = new SpoolDirectory(world.spoolDir).instance(record.spool);
      const writer = await spool.createSegment({ segmentId: record.id, compression: record.compression });
      await writer.write(Buffer.from(lines));
      expect(await writer.finish()).toMatchObject({ sha256: record.sha256 });
      await writer.seal(JSON.stringify({ ...record, [field]: other[field] }));
      const { spiller, queued } = spilling(1);
      await spiller.round(never);
      expect(queued).toEqual([]);
      expect(await world.lane.hasRecord(record.id)).toBe(true);
      expect(existsSync(path(record, 'spilled'))).toBe(false);
    },
  );

  test('a Redis that does not answer is reported, and the spiller waits for it', async () => {
    await sealed(1);
    const { spiller, queued, failures, working } = spilling(1, { lane: world.strictLane() });
    const ended = new AbortController();
    await world.server.kill();
    const running = spiller.runUntil(ended.signal);
    await eventually(() => expect(failures).toMatchObject([{ retryable: true }]));
    await world.server.restart();
    await eventually(() => expect(working()).toBeGreaterThan(0));
    expect(queued).toHaveLength(1);
    ended.abort();
    await running;
  });

  test('a segment that is on its way to the lane is left alone', async () => {
    const [record] = await sealed(1);
    const { spiller, queued } = spilling(1, { inUse: record?.id });
    await spiller.round(never);
    expect(queued).toEqual([]);
  });
});

describe('a marked file', () => {
  test('is never removed while Redis has its record, spilled or not', async () => {
    const record = await spilledOne();
    expect(await tidy()).toEqual({ removed: 0, adopted: 0, quarantined: 0 });
    const [unreleased] = await sealed(1);
    if (!unreleased) throw new Error('nothing was sealed');
    await rename(path(unreleased, 'segment'), path(unreleased, 'spilled'));
    expect(await tidy()).toEqual({ removed: 0, adopted: 0, quarantined: 0 });
    expect([existsSync(path(record, 'spilled')), existsSync(path(unreleased, 'spilled'))]).toEqual([true, true]);
  });

  test('that a Redis which started empty knows nothing of gets its record again', async () => {
    const record = await spilledOne();
    await world.redis.flushall();
    await world.open();
    expect(await tidy()).toEqual({ removed: 0, adopted: 1, quarantined: 0 });
    expect(await world.lane.spilledRecord(record.id)).toMatchObject({ key: record.key, spoolId: SPOOL_ID });
    expect(await tidy()).toEqual({ removed: 0, adopted: 0, quarantined: 0 });
  });

  test('whose chunks are in Redis without a record is removed: the chunks are sealed again', async () => {
    const [record] = await sealed(1);
    if (!record) throw new Error('nothing was sealed');
    await rename(path(record, 'segment'), path(record, 'spilled'));
    await world.redis.hdel(world.lane.keys.records, record.id);
    // A master that was replaced answers from the past: with replicas, it cannot show that this is not so.
    expect(await tidy(1)).toEqual({ removed: 0, adopted: 0, quarantined: 0 });
    expect(existsSync(path(record, 'spilled'))).toBe(true);
    expect(await tidy()).toEqual({ removed: 1, adopted: 0, quarantined: 0 });
    expect(existsSync(path(record, 'spilled'))).toBe(false);
  });

  test('that is damaged, and of which Redis knows nothing, is put aside and left there', async () => {
    const record = await spilledOne();
    await world.redis.flushall();
    await world.open();
    truncateSync(path(record, 'spilled'), 20);
    expect(await tidy()).toEqual({ removed: 0, adopted: 0, quarantined: 1 });
    expect(await tidy()).toEqual({ removed: 0, adopted: 0, quarantined: 0 });
    expect(existsSync(path(record, 'quarantined'))).toBe(true);
  });
});

describe('without room on the disk', () => {
  test('nothing more is read, what is open is sealed, and the batcher continues when there is room', async () => {
    await world.append(3);
    const batcher = world.batcher();
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    world.room.full = true;
    await eventually(async () => expect(await world.counts()).toEqual([3]));
    const id = await world.append(4);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await world.lane.taken([id])).toEqual([0]);
    expect(batcher.openPaths()).toBe(0);
    world.room.full = false;
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    await batcher.stop();
    expect(await world.sealedEvents()).toEqual(world.everyEvent);
  });
});

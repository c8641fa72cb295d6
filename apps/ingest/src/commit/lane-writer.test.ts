import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_ROUTE } from '@sink/domain';
import { type Argument, IoredisPort, IngestLane, RedisInDoubt } from '@sink/lane';
import { type RedisServer, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { AppendOutcome } from './appender.ts';
import type { PendingAppend } from './chunk-builder.ts';
import { LaneWriter } from './lane-writer.ts';

/** Passes commands on, remembers large bodies, and loses `answersToLose` answers. */
class WatchedPort extends IoredisPort {
  readonly bodies: Buffer[] = [];
  answersToLose = 0;
  /** How long the registration of a writer takes. */
  registeringMs = 0;
  /** Runs before the answer of an append is given. */
  afterAppend: () => Promise<void> = async () => undefined;

  override async run(script: Parameters<IoredisPort['run']>[0], keys: readonly string[], args: readonly Argument[]) {
    const answer = await super.run(script, keys, args);
    if (script.name === 'registerWriter') await sleep(this.registeringMs);
    if (script.name !== 'append') return answer;
    await this.afterAppend();
    this.bodies.push(...args.filter((argument) => Buffer.isBuffer(argument)));
    if (this.answersToLose === 0) return answer;
    this.answersToLose -= 1;
    throw new RedisInDoubt(script.name);
  }
}

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

interface WriterWorld {
  readonly redis: Redis;
  readonly lane: IngestLane;
  readonly port: WatchedPort;
  readonly store: (chunk: PendingAppend) => Promise<AppendOutcome>;
  readonly bodies: () => Promise<string[]>;
}

async function writerWorld(hasDiskRoom: () => boolean = () => true, replicas = 0): Promise<WriterWorld> {
  const redis = new Redis(server.url);
  onTestFinished(() => redis.disconnect());
  await redis.flushall();
  const port = new WatchedPort(redis);
  const lane = new IngestLane(port, 'sink', 0);
  const clock = {
    monotonicMs: () => performance.now(),
    sleep: (ms: number) => sleep(ms),
    after: (ms: number, callback: () => void) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  };
  const writer = new LaneWriter(
    lane,
    {
      clock,
      newUid: () => 'uid',
      fingerprint: (line) => Buffer.from(line),
      duplicates: () => undefined,
      failed: () => undefined,
      hasDiskRoom,
    },
    {
      barrier: { waitaof: false, replicas, timeoutMs: 50 },
      backlogBytesMax: 100_000_000,
      retryWaitMs: 1,
      dedupe: null,
    },
  );
  const store = async (stored: PendingAppend): Promise<AppendOutcome> => {
    const { outcome, idle } = writer.store(stored, () => undefined);
    await idle;
    return outcome;
  };
  const bodies = async (): Promise<string[]> => {
    const entries = await redis.xrange(lane.keys.chunks, '-', '+');
    return entries.map(([, fields]) => fields[fields.indexOf('b') + 1] ?? '');
  };
  return { redis, lane, port, store, bodies };
}

function chunk(letter: string, lines: number): PendingAppend {
  const line = `"${letter.repeat(998)}"`;
  const slot = '2026/11/26/20';
  const entry = {
    route: DEFAULT_ROUTE,
    path: slot,
    dedupe: true,
    lines: Array.from({ length: lines }, () => line),
    shares: [],
    bytes: lines * 1_001,
  };
  return {
    slot,
    entries: [entry],
    byKey: new Map(),
    waiting: [],
    events: lines,
    bytes: entry.bytes,
    furtherBytes: 0,
    furtherChunks: 0,
    acceptedAtMs: Date.UTC(2026, 10, 26, 20),
    deadlineMs: performance.now() + 60_000,
    after: null,
  };
}

const textOf = ({ entries }: PendingAppend): string => `${entries.flatMap(({ lines }) => lines).join('\n')}\n`;

test('large chunks are written into the same memory, and each is stored as it was', async () => {
  const { port, store, bodies } = await writerWorld();
  const chunks = [chunk('a', 900), chunk('b', 200), chunk('c', 998), chunk('d', 10)];
  for (const each of chunks) expect(await store(each)).toBe('stored');
  expect(new Set(port.bodies.map(({ buffer }) => buffer)).size).toBe(1);
  expect(await bodies()).toEqual(chunks.map(textOf));
});

test('without room on the disk of Redis a chunk waits, nothing is written, and at its deadline it is refused', async () => {
  let hasRoom = false;
  const { store, bodies } = await writerWorld(() => hasRoom);
  expect(await store({ ...chunk('a', 1), deadlineMs: performance.now() + 50 })).toBe('backlog_full');
  expect(await bodies()).toEqual([]);
  const stored = store(chunk('b', 1));
  hasRoom = true;
  expect(await stored).toBe('stored');
});

test('a writer that is registered only after the deadline appends nothing: the request was refused', async () => {
  const { port, store, bodies } = await writerWorld();
  port.registeringMs = 200;
  expect(await store({ ...chunk('a', 1), deadlineMs: performance.now() + 100 })).toBe('redis_away');
  expect(await bodies()).toEqual([]);
  expect(await store(chunk('b', 1))).toBe('stored');
});

test('a writer whose registration no replica has confirmed appends nothing', async () => {
  const { store, bodies } = await writerWorld(() => true, 1);
  expect(await store({ ...chunk('a', 1), deadlineMs: performance.now() + 150 })).toBe('redis_away');
  expect(await bodies()).toEqual([]);
});

test('an append whose writer Redis did not know is in doubt if a replica that takes over knows it', async () => {
  const { redis, lane, port, store, bodies } = await writerWorld();
  const { writers } = lane.keys;
  expect(await store(chunk('a', 1))).toBe('stored');
  const known = await redis.hgetall(writers);
  await redis.del(writers); // as when a batcher retires it
  port.afterAppend = async () => {
    port.afterAppend = async () => undefined;
    await redis.hset(writers, known); // a failover to a replica that does not know yet that it was retired
  };
  expect(await store(chunk('b', 1))).toBe('in_doubt');
  expect(await redis.hkeys(writers)).not.toContain(Object.keys(known)[0]);
  expect(await redis.hlen(writers)).toBe(1);
  expect(await store(chunk('c', 1))).toBe('stored');
  expect(await bodies()).toEqual([chunk('a', 1), chunk('c', 1)].map(textOf));
});

test('memory of a body that may still be on its way is not used again', async () => {
  const { port, store, bodies } = await writerWorld();
  const [doubtful, next] = [chunk('a', 900), chunk('b', 900)];
  port.answersToLose = 1;
  expect(await store(doubtful)).toBe('stored');
  expect(await store(next)).toBe('stored');
  expect(port.bodies.map(String)).toEqual([doubtful, doubtful, next].map(textOf));
  expect(await bodies()).toEqual([doubtful, next].map(textOf));
});

test('a chunk of one line that is larger than others has memory of its own', async () => {
  const { port, store, bodies } = await writerWorld();
  const [usual, larger] = [chunk('a', 900), chunk('b', 1_500)];
  for (const each of [usual, larger, usual]) expect(await store(each)).toBe('stored');
  expect(port.bodies[1]?.buffer.byteLength).toBe(larger.bytes);
  expect(port.bodies[2]?.buffer).toBe(port.bodies[0]?.buffer);
  expect(await bodies()).toEqual([usual, larger, usual].map(textOf));
});

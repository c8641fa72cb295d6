import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seenSlotKeys } from './keys.ts';
import type { AppendEntry, AppendOnceAnswer, AppendRequest, DedupeWindow, Marks } from './steps/append.ts';
import { LaneWorld } from './test/lane-world.ts';

const world = new LaneWorld();
const HOUR_MS = 3_600_000;

const lineOf = (id: string): string => `{"id":"${id}","text":"é"}\n`;
const mark = (id: string): Buffer => createHash('sha256').update(id).digest().subarray(0, 16);

const WINDOW: DedupeWindow = { windowMs: HOUR_MS, fingerprintsMax: 1_000_000 };

function marksOf(ids: readonly string[]): Marks {
  return {
    fingerprints: Buffer.concat(ids.map(mark)),
    lineBytes: ids.map((id) => Buffer.byteLength(lineOf(id))),
  };
}

function requestOf(ids: readonly string[], more: Partial<AppendRequest & AppendEntry> = {}): AppendRequest {
  return world.request(ids.length, { body: ids.map(lineOf).join(''), marks: marksOf(ids), ...more });
}

const once = (ids: readonly string[], more: Partial<DedupeWindow> = {}): Promise<AppendOnceAnswer> =>
  world.ingest.appendOnce(requestOf(ids), { ...WINDOW, ...more });

/** The ids of all events in the stream, chunk by chunk; the counters must agree with them. */
async function stored(): Promise<string[][]> {
  const { lane, redis } = world;
  const chunks: string[][] = [];
  for (const [id, fields] of await redis.xrange(lane.keys.chunks, '-', '+')) {
    const body = fields[fields.indexOf('b') + 1] ?? '';
    const ids = body
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { id: string }).id);
    expect(fields[fields.indexOf('n') + 1]).toBe(String(ids.length));
    expect(await redis.hget(lane.keys.taken, id)).toBe(`0/${ids.length}`);
    expect(await redis.hget(lane.keys.left, id)).toMatch(new RegExp(`^${ids.length} `));
    chunks.push(ids);
  }
  expect((await lane.backlog()).events).toBe(chunks.flat().length);
  return chunks;
}

describe('an event that was stored within the window', () => {
  test('is dropped, and the rest of its chunk is stored in order', async () => {
    expect(await once(['a', 'b'])).toEqual({ answer: 'stored', duplicates: 0 });
    expect(await once(['x', 'a', 'y', 'b', 'z'])).toEqual({ answer: 'stored', duplicates: 2 });
    expect(await stored()).toEqual([
      ['a', 'b'],
      ['x', 'y', 'z'],
    ]);
  });

  test('twice in one chunk is stored once', async () => {
    expect(await once(['a', 'b', 'a', 'a'])).toEqual({ answer: 'stored', duplicates: 2 });
    expect(await stored()).toEqual([['a', 'b']]);
  });

  test('is known to all writers', async () => {
    await once(['a']);
    const other = await world.ingest.registerWriter('n');
    const answer = await world.ingest.appendOnce(requestOf(['a', 'b'], { writer: other, sequence: 1 }), WINDOW);
    expect(answer).toEqual({ answer: 'stored', duplicates: 1 });
  });

  test('alone makes no chunk and is acknowledged, and its sequence keeps that answer', async () => {
    await once(['a']);
    const request = requestOf(['a']);
    expect(await world.ingest.appendOnce(request, WINDOW)).toEqual({ answer: 'stored', duplicates: 1 });
    expect(await world.ingest.appendOnce(request, WINDOW)).toEqual({ answer: 'stored', duplicates: 1 });
    expect(await stored()).toEqual([['a']]);
  });

  test('invariant 5: the same sequence again is the stored answer, and no duplicate of itself', async () => {
    const request = requestOf(['a', 'b']);
    expect(await world.ingest.appendOnce(request, WINDOW)).toEqual({ answer: 'stored', duplicates: 0 });
    expect(await world.ingest.appendOnce(request, WINDOW)).toEqual({ answer: 'stored', duplicates: 0 });
    expect(await stored()).toEqual([['a', 'b']]);
  });

  test('in a chunk of thousands is found on every page', async () => {
    const ids = Array.from({ length: 9_000 }, (_, n) => `${n}`);
    await once(ids);
    expect(await once([...ids.filter((_, n) => n % 900 === 0), 'new'])).toEqual({ answer: 'stored', duplicates: 10 });
    expect((await stored()).at(-1)).toEqual(['new']);
    expect((await world.lane.remembered()).fingerprints).toBe(9_001);
  });
});

test('any sequence of chunks is stored as a set would have it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1 }), { minLength: 1 }),
      async (chunks) => {
        await world.redis.flushall();
        await world.batcher.open('uid1');
        const writer = await world.ingest.registerWriter('n');
        const known = new Set<number>();
        const expected: string[][] = [];
        for (const [sequence, numbers] of chunks.entries()) {
          const fresh = [...new Set(numbers)].filter((n) => !known.has(n));
          for (const n of fresh) known.add(n);
          if (fresh.length > 0) expected.push(fresh.map(String));
          const ids = numbers.map(String);
          const request = requestOf(ids, { writer, sequence: sequence + 1 });
          const { duplicates } = await world.ingest.appendOnce(request, WINDOW);
          expect(duplicates).toBe(numbers.length - fresh.length);
        }
        expect(await stored()).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

describe('a refusal', () => {
  test('for a full backlog remembers nothing: the retry is stored', async () => {
    const full = requestOf(['a'], { backlogBytesMax: 1 });
    expect((await world.ingest.appendOnce(full, WINDOW)).answer).toBe('full');
    expect(await once(['a'])).toEqual({ answer: 'stored', duplicates: 0 });
  });

  test('is never given to a chunk of duplicates alone, because it needs no room', async () => {
    await once(['a']);
    const full = requestOf(['a'], { backlogBytesMax: 1 });
    expect(await world.ingest.appendOnce(full, WINDOW)).toEqual({ answer: 'stored', duplicates: 1 });
  });

  test('of a foreign key in the ring changes nothing', async () => {
    const [slot = ''] = seenSlotKeys(world.lane.keys);
    await once(['a']);
    await world.redis.set(slot, 'foreign');
    const before = await world.everything();
    await expect(once(['b'])).rejects.toThrow(/WRONGTYPE/);
    expect(await world.everything()).toEqual(before);
  });
});

describe('the window', () => {
  test('ends, and only then an event is forgotten', async () => {
    const windowMs = 2_000;
    await once(['a'], { windowMs });
    expect((await once(['a'], { windowMs })).duplicates).toBe(1);
    const deadlineMs = performance.now() + 20_000;
    for (;;) {
      await sleep(100);
      const { duplicates } = await once(['a', `${performance.now()}`], { windowMs });
      if (duplicates === 0) break;
      expect(performance.now()).toBeLessThan(deadlineMs);
    }
    expect((await stored()).flat().filter((id) => id === 'a')).toHaveLength(2);
  });

  test('moves on in slots, and its keys expire when nothing is appended any more', async () => {
    const { redis, lane } = world;
    for (let n = 0; n < 12; n++) {
      await once([`${n}`], { windowMs: 200 });
      await sleep(30);
    }
    const slots = await Promise.all(seenSlotKeys(lane.keys).map((key) => redis.scard(key)));
    expect(slots.filter((count) => count > 0).length).toBeGreaterThan(1);
    await expect.poll(() => redis.exists(lane.keys.seen, ...seenSlotKeys(lane.keys))).toBe(0);
  });

  test("does not move back with Redis' clock: the newest slot stays the current one", async () => {
    const { redis, lane } = world;
    await once(['a']);
    const [start] = (await redis.hvals(lane.keys.seen)).map(Number);
    // As if the clock had been an hour ahead when the slot began.
    await redis.hset(lane.keys.seen, '1', String((start ?? 0) + HOUR_MS));
    expect((await once(['a', 'b'])).duplicates).toBe(1);
    expect((await once(['b'])).duplicates).toBe(1);
    expect(await redis.hlen(lane.keys.seen)).toBe(1);
  });

  test('becomes shorter with too many fingerprints: the oldest are discarded and counted', async () => {
    const numbers = Array.from({ length: 100 }, (_, n) => `${n}`);
    for (const id of numbers) await once([id], { fingerprintsMax: 30 });
    const { fingerprints, early } = await world.lane.remembered();
    expect(fingerprints).toBeLessThanOrEqual(30);
    expect(early).toBeGreaterThan(0);
    expect((await once(['99'], { fingerprintsMax: 30 })).duplicates).toBe(1);
    expect((await once(['0'], { fingerprintsMax: 30 })).duplicates).toBe(0);
  });
});

test('what a fingerprint takes in Redis is less than what is reserved for it', async () => {
  const { redis } = world;
  const usedBytes = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  const before = await usedBytes();
  const count = 100_000;
  for (let from = 0; from < count; from += 5_000) {
    const ids = Array.from({ length: 5_000 }, (_, n) => `${from + n}`);
    await redis.sadd('marks', ...ids.map(mark));
  }
  const bytes = ((await usedBytes()) - before) / count;
  expect(bytes).toBeGreaterThan(40);
  expect(bytes).toBeLessThan(96);
});

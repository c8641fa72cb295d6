import { createHash } from 'node:crypto';
import { APPEND_ENTRIES_MAX, DEFAULT_ROUTE, QUARANTINE_ROUTE } from '@sink/domain';
import { describe, expect, test } from 'vitest';
import { chunkCostBytes } from './cost.ts';
import type { AppendEntry, AppendRequest, DedupeWindow } from './steps/append.ts';
import { entryOf, LaneWorld, ndjson } from './test/lane-world.ts';

const world = new LaneWorld();
const WINDOW: DedupeWindow = { windowMs: 3_600_000, fingerprintsMax: 1_000_000 };
const SLOT = '2026/11/23/10';

const several = (entries: readonly AppendEntry[], more: Partial<AppendRequest> = {}): AppendRequest =>
  world.request(0, { entries, ...more });

/** An entry of events with these ids; `asked`: those that were stored before are left out. */
function entry(path: string, ids: readonly string[], asked = true, route: string = DEFAULT_ROUTE): AppendEntry {
  const lines = ids.map((id) => `{"id":"${id}"}\n`);
  const fingerprints = Buffer.concat(ids.map((id) => createHash('sha256').update(id).digest().subarray(0, 16)));
  const marks = { fingerprints, lineBytes: lines.map((line) => line.length) };
  return entryOf(ids.length, { route, path, body: lines.join(''), marks: asked ? marks : undefined });
}

interface Stored {
  readonly route: string;
  readonly path: string;
  readonly ids: readonly string[];
}

/** The chunks of the stream in their order; their counters and the backlog must agree with them. */
async function stored(): Promise<Stored[]> {
  const { lane, redis } = world;
  const chunks: Stored[] = [];
  let costBytes = 0;
  for (const [id] of await redis.xrange(lane.keys.chunks, '-', '+')) {
    const found = await lane.entry(id);
    if (found.kind !== 'chunk') throw new Error(`chunk ${id} is ${found.kind}`);
    const { route, path, count, body } = found.chunk;
    const lines = body.toString().split('\n').slice(0, -1);
    expect(lines).toHaveLength(count);
    expect(await redis.hget(lane.keys.taken, id)).toBe(`0/${count}`);
    const [, cost = ''] = /^(\d+ \d+)$/.exec((await redis.hget(lane.keys.left, id)) ?? '') ?? [];
    expect(cost).toMatch(new RegExp(`^${count} `));
    costBytes += Number(cost.split(' ')[1]);
    chunks.push({ route, path, ids: lines.map((line) => (JSON.parse(line) as { id: string }).id) });
  }
  const { events, bytes } = await lane.backlog();
  expect([events, bytes]).toEqual([chunks.flatMap(({ ids }) => ids).length, costBytes]);
  return chunks;
}

describe('an append for several destinations', () => {
  test('is one chunk for each, in order, and version 1 is written whenever it can say it', async () => {
    const { ingest, lane, redis } = world;
    const entries = [
      entryOf(2, { body: ndjson(2, 'a') }),
      entryOf(1, { body: ndjson(1, 'b'), route: QUARANTINE_ROUTE, origins: '[1,[0,1,"x"]]' }),
      entryOf(1, { body: ndjson(1, 'c'), path: 'tenant=a/2026' }),
      entryOf(1, { body: ndjson(1, 'd'), route: 'billing', path: SLOT }),
    ];
    expect(await ingest.append(several(entries))).toBe('stored');
    const chunks = await redis.xrange(lane.keys.chunks, '-', '+');
    const t = '1795430000000';
    expect(chunks.map(([, fields]) => fields)).toEqual([
      ['v', '1', 'p', SLOT, 'n', '2', 't', t, 'b', ndjson(2, 'a')],
      ['v', '2', 'p', SLOT, 'n', '1', 't', t, 'b', ndjson(1, 'b'), 'o', '[1,[0,1,"x"]]', 'r', QUARANTINE_ROUTE],
      ['v', '2', 'p', 'tenant=a/2026', 'n', '1', 't', t, 'b', ndjson(1, 'c'), 'r', DEFAULT_ROUTE],
      ['v', '2', 'p', SLOT, 'n', '1', 't', t, 'b', ndjson(1, 'd'), 'r', 'billing'],
    ]);
    expect((await stored()).map(({ route, path }) => [route, path])).toEqual(
      entries.map(({ route, path }) => [route, path]),
    );
  });

  test('invariant 5: its sequence again stores nothing, and an older one is stale', async () => {
    const { ingest } = world;
    const first = several([entry('a', ['1'], false), entry('b', ['2'], false)]);
    expect(await ingest.append(first)).toBe('stored');
    const before = await world.everything();
    expect(await ingest.append(first)).toBe('stored');
    expect(await world.everything()).toEqual(before);
    expect(await ingest.append(several([entry('a', ['3'], false)]))).toBe('stored');
    expect(await ingest.append(first)).toBe('stale');
    expect(await stored()).toHaveLength(3);
  });

  test('is refused whole if there is no room for all of it', async () => {
    const { ingest, lane } = world;
    const entries = ['a', 'b', 'c'].map((path) => entry(path, [path], false));
    const room = entries.reduce(
      (sum, { bytes, path }) => sum + chunkCostBytes(bytes + path.length + '_default'.length),
      0,
    );
    expect(await ingest.append(several(entries, { backlogBytesMax: room - 1 }))).toBe('full');
    expect(await stored()).toEqual([]);
    expect(await ingest.append(several(entries, { backlogBytesMax: room }))).toBe('stored');
    expect((await lane.backlog()).bytes).toBe(room);
    expect(await stored()).toHaveLength(3);
  });

  test('asks for the room of all chunks that follow', async () => {
    const further = { furtherBytes: 1_000, furtherChunks: 100 };
    const first = entry(SLOT, ['1'], false);
    const room = chunkCostBytes(first.bytes) + chunkCostBytes(1_000) + 99 * chunkCostBytes(0);
    expect(await world.ingest.append(several([first], { ...further, backlogBytesMax: room - 1 }))).toBe('full');
    expect(await world.ingest.append(several([first], { ...further, backlogBytesMax: room }))).toBe('stored');
  });

  test.each(['chunks', 'taken', 'left', 'backlog'] as const)(
    'changes nothing if %s is not what it should be',
    async (key) => {
      await world.redis.set(world.lane.keys[key], 'foreign');
      const before = await world.everything();
      const entries = [entry('a', ['1'], false), entry('b', ['2'], false)];
      await expect(world.ingest.append(several(entries))).rejects.toMatchObject({ code: 'WRONGTYPE' });
      expect(await world.everything()).toEqual(before);
    },
  );

  test('has a thousand entries at most, each with an id of its own, at a random distance', async () => {
    const entries = Array.from({ length: APPEND_ENTRIES_MAX }, (_, n) => entry(`p${n}`, [`${n}`], false));
    expect(await world.ingest.append(several(entries))).toBe('stored');
    expect((await stored()).map(({ path }) => path)).toEqual(entries.map(({ path }) => path));
    const ids = (await world.redis.xrange(world.lane.keys.chunks, '-', '+')).map(([id]) => id.split('-').map(Number));
    expect(new Set(ids.map(([ms]) => ms)).size).toBe(1);
    const distances = ids.slice(1).map(([, number = 0], n) => number - (ids[n]?.[1] ?? 0));
    expect(Math.min(...distances)).toBeGreaterThan(0);
    expect(distances.filter((distance) => distance < 1_000).length).toBeLessThan(20);
  });
});

describe('dedupe works for each entry', () => {
  const append = (...entries: AppendEntry[]) => world.ingest.appendOnce(several(entries), WINDOW);

  test('what was stored before is left out, wherever it went, and entries without it are stored as they are', async () => {
    expect(await append(entry(SLOT, ['a', 'b']))).toEqual({ answer: 'stored', duplicates: 0 });
    const evidence = entry(SLOT, ['a', 'a'], false, QUARANTINE_ROUTE);
    expect(await append(entry('other', ['a', 'c']), evidence, entry('third', ['d', 'b', 'e']))).toEqual({
      answer: 'stored',
      duplicates: 2,
    });
    expect((await stored()).map(({ ids }) => ids)).toEqual([['a', 'b'], ['c'], ['a', 'a'], ['d', 'e']]);
  });

  test('the same event twice in one append is stored once, also in two entries', async () => {
    expect(await append(entry('x', ['a', 'b', 'a']), entry('y', ['b', 'c', 'a']))).toEqual({
      answer: 'stored',
      duplicates: 3,
    });
    expect((await stored()).map(({ path, ids }) => [path, ids])).toEqual([
      ['x', ['a', 'b']],
      ['y', ['c']],
    ]);
    expect((await world.lane.remembered()).fingerprints).toBe(3);
  });

  test('an entry of duplicates alone makes no chunk, and its share of the backlog is not counted', async () => {
    await append(entry(SLOT, ['a']));
    expect(await append(entry('x', ['a']), entry('y', ['b']))).toEqual({ answer: 'stored', duplicates: 1 });
    expect((await stored()).map(({ ids }) => ids)).toEqual([['a'], ['b']]);
    const duplicates = several([entry('x', ['a']), entry('y', ['b'])], { backlogBytesMax: 1 });
    expect(await world.ingest.appendOnce(duplicates, WINDOW)).toEqual({ answer: 'stored', duplicates: 2 });
  });

  test('a refusal remembers nothing, and without marks nothing is looked up', async () => {
    const full = several([entry('x', ['a']), entry('y', ['b'], false)], { backlogBytesMax: 1 });
    expect((await world.ingest.appendOnce(full, WINDOW)).answer).toBe('full');
    expect((await world.lane.remembered()).fingerprints).toBe(0);
    await append(entry('y', ['a'], false));
    expect(await append(entry('x', ['a']))).toEqual({ answer: 'stored', duplicates: 0 });
  });

  test('a fingerprint that is missing refuses the whole append', async () => {
    const short = { ...entry('x', ['a', 'b']), marks: entry('x', ['a']).marks };
    const before = await world.everything();
    await expect(append(entry('y', ['c']), short)).rejects.toMatchObject({ code: 'BADREQUEST' });
    expect(await world.everything()).toEqual(before);
  });
});

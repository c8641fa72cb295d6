import { describe, expect, test } from 'vitest';
import type { LaneKeys } from './keys.ts';
import { LaneWorld, receiptOf, recordOf } from './test/lane-world.ts';

const world = new LaneWorld();

/** A step on a lane with one sealed, uncommitted segment (s1), one chunk pending and one not delivered. */
const STEPS: Record<string, { run: (id: string) => Promise<unknown>; keys: (keyof LaneKeys)[] }> = {
  append: { run: () => world.ingest.append(world.request(1)), keys: ['chunks', 'taken', 'left', 'writers', 'backlog'] },
  seal: { run: (id) => world.seal('s2', [[id, 0, 1]]), keys: ['chunks', 'taken', 'records', 'backlog'] },
  commit: {
    run: () => world.uploader.commit(receiptOf('s1'), 100, undefined, 'events at AWS'),
    keys: ['chunks', 'taken', 'left', 'records', 'spilled', 'backlog', 'receipts', 'places'],
  },
  release: {
    run: async (id) => world.batcher.release(recordOf('s1', [[id, 0, 1]]), 'spool-1'),
    keys: ['chunks', 'taken', 'left', 'records', 'spilled', 'backlog'],
  },
  adopt: {
    run: async () => world.batcher.adopt(recordOf('s3', [['1-1', 0, 1]]), 'spool-1'),
    keys: ['left', 'records', 'spilled', 'backlog'],
  },
  claim: { run: () => world.batcher.claim('b1', 'b2'), keys: ['chunks'] },
  scrub: { run: () => world.batcher.scrub('b2', '0'), keys: ['chunks', 'taken'] },
  open: { run: () => world.batcher.open('uid2'), keys: ['chunks', 'meta'] },
  registerWriter: { run: () => world.ingest.registerWriter('n'), keys: ['meta', 'writers'] },
  retireWriters: { run: () => world.batcher.retireWriters('0', 0), keys: ['writers'] },
};

async function lane(): Promise<string> {
  const [a, b] = [await world.append(1), await world.append(2)];
  await world.read();
  await world.seal('s1', [[a, 0, 1]]);
  await world.append(1);
  return b;
}

describe('a key of the lane that other software uses', () => {
  const cases = Object.entries(STEPS).flatMap(([step, { run, keys }]) => keys.map((key) => ({ step, key, run })));
  test.each(cases)('$step refuses for $key with that message, and changes nothing', async ({ key, run }) => {
    const id = await lane();
    await world.redis.set(world.lane.keys[key], 'foreign');
    const before = await world.everything();
    await expect(run(id)).rejects.toMatchObject({ code: 'WRONGTYPE', retryable: true });
    expect(await world.everything()).toEqual(before);
  });

  test.each(['append', 'seal', 'commit', 'release', 'adopt'] as const)(
    '%s refuses for a counter that is none, and changes nothing',
    async (step) => {
      const id = await lane();
      await world.redis.hset(world.lane.keys.backlog, 'bytes', 'many');
      const before = await world.everything();
      await expect(STEPS[step]?.run(id)).rejects.toMatchObject({ code: 'FOREIGN' });
      expect(await world.everything()).toEqual(before);
    },
  );

  test('an unreadable state of a writer is refused', async () => {
    await world.redis.hset(world.lane.keys.writers, world.writer, 'what');
    await expect(world.ingest.append(world.request(1))).rejects.toMatchObject({ code: 'FOREIGN' });
  });

  test('a chunk with unreadable counters is not sealed and not committed, and is read as one without', async () => {
    const id = await lane();
    await world.redis.hset(world.lane.keys.taken, id, 'what', 'nothing', '0/5');
    expect(await world.batcher.taken([id])).toEqual([null]);
    expect(await world.seal('s2', [[id, 0, 1]])).toEqual([id]);
    expect(await world.seal('s2', [['nothing', 0, 1]])).toEqual(['nothing']);
  });

  test('an unreadable record is refused by every step that reads it', async () => {
    await world.redis.hset(world.lane.keys.records, 's1', 'what', 's2', '[]', 's3', '{"v":1,"id":"s3"}');
    const before = await world.everything();
    for (const id of ['s1', 's2', 's3']) {
      await expect(world.lane.record(id)).rejects.toThrow('reading a segment record');
      await expect(world.uploader.commit(receiptOf(id), 10)).rejects.toMatchObject({ name: 'RedisRefused' });
      await expect(world.batcher.release(recordOf(id, []), 'spool-1')).rejects.toMatchObject({ name: 'RedisRefused' });
    }
    const record = recordOf('s1', []);
    expect(await world.batcher.seal(record, JSON.stringify(record))).toEqual({ kind: 'refused', chunks: [] });
    await expect(world.batcher.seal(recordOf('s9', []), 'no json')).rejects.toMatchObject({ name: 'RedisRefused' });
    expect(await world.everything()).toEqual(before);
  });
});

test('an unreadable spilled record is refused by every step that reads it, and left out of a page', async () => {
  await world.redis.hset(world.lane.keys.spilled, 's1', 'what', 's2', '[]', 's3', '{"v":1,"id":"s3"}');
  const before = await world.everything();
  for (const id of ['s1', 's2', 's3']) {
    await expect(world.lane.spilledRecord(id)).rejects.toThrow('reading a segment record');
    await expect(world.uploader.commit(receiptOf(id), 10)).rejects.toMatchObject({ name: 'RedisRefused' });
  }
  expect((await Array.fromAsync(world.lane.spilled())).flat()).toEqual([]);
  expect(await world.everything()).toEqual(before);
});

describe('entries of the stream that are not ours', () => {
  const good = { v: '1', p: '2026/11/23/10', n: '1', t: '1795430000000', b: '{}\n' };
  test.each([
    ['a newer version', { ...good, v: '3' }, 'version 3 is not 1 or 2'],
    ['no version', { hello: 'world' }, 'version missing is not 1 or 2'],
    ['a partition that leads out of its folder', { ...good, p: '../../x' }, 'its partition is not a time slot'],
    ['no count', { ...good, n: '' }, 'its count is not a positive integer'],
    ['a count of zero', { ...good, n: '0' }, 'its count is not a positive integer'],
    ['a count in another notation', { ...good, n: '0x10' }, 'its count is not a positive integer'],
    ['no time', { v: '1', p: good.p, n: '1', b: '{}\n' }, 'its time of acceptance is not an integer'],
    ['a body without its LF', { ...good, b: '{}' }, 'its body does not end in LF'],
    ['no body', { v: '1', p: good.p, n: '1', t: '1' }, 'its body does not end in LF'],
  ])('%s: recognized, with the reason', async (_, fields, problem) => {
    const id = await world.redis.xadd(world.lane.keys.chunks, '*', ...Object.entries(fields).flat());
    expect(await world.read()).toEqual([{ kind: 'foreign', id, problem }]);
    expect(await world.lane.entry(id ?? '')).toEqual({ kind: 'foreign', id, problem });
  });

  test('fields of a later minor release do not make a chunk foreign', async () => {
    const fields = Object.entries({ ...good, later: 'x' }).flat();
    await world.redis.xadd(world.lane.keys.chunks, '*', ...fields);
    expect((await world.read()).map((entry) => entry.kind)).toEqual(['chunk']);
  });
});

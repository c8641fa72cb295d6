import { UNLISTED_MAX } from '@sink/domain';
import { describe, expect, test } from 'vitest';
import type { LaneManifests } from './lane-manifests.ts';
import type { DrawnManifest } from './steps/manifest.ts';
import { LaneWorld, receiptOf } from './test/lane-world.ts';

const world = new LaneWorld();
const PARTITION = '2026/11/23/10';
const manifests = (): LaneManifests => world.uploader.manifests;

/** Appends, seals and commits one object of the partition. */
async function store(segment: string, partition = PARTITION): Promise<string> {
  const chunk = await world.append(1);
  await world.read();
  await world.seal(segment, [[chunk, 0, 1]]);
  return world.uploader.commit(receiptOf(segment), 100, partition);
}

async function idsOf(partition = PARTITION): Promise<string[]> {
  const drawn = await manifests().draw(partition);
  return (drawn?.receipts ?? []).map(({ id }) => id).sort();
}

async function drawn(partition = PARTITION): Promise<DrawnManifest> {
  const manifest = await manifests().draw(partition);
  if (manifest === null) throw new Error(`drawing up a manifest of ${partition}: nothing waits`);
  return manifest;
}

describe('a manifest', () => {
  test('without manifests nothing is put aside, whatever was before', async () => {
    const chunk = await world.append(1);
    await world.read();
    await world.seal('s1', [[chunk, 0, 1]]);
    await world.uploader.commit(receiptOf('s1'), 100);
    expect(await world.redis.keys('*unlisted*')).toEqual([]);
    expect(await manifests().draw(PARTITION)).toBeNull();
  });

  test('lists what was committed, once, also when the commit is repeated', async () => {
    await store('s1');
    await store('s2');
    expect(await world.uploader.commit(receiptOf('s1'), 100, PARTITION)).toBe('gone');
    expect(await manifests().waiting()).toEqual(new Map([[PARTITION, 2]]));
    expect(await idsOf()).toEqual(['s1', 's2']);
  });

  test('is decided once: what is committed later, or drawn by another, does not change it', async () => {
    await store('s1');
    const first = await manifests().draw(PARTITION);
    await store('s2');
    expect(await manifests().draw(PARTITION)).toEqual(first);
    expect(first).toMatchObject({ partition: PARTITION, receipts: [{ id: 's1' }] });
    expect(await manifests().waiting()).toEqual(new Map([[PARTITION, 2]]));
  });

  test('what came late goes into the next one, and that holds nothing else', async () => {
    await store('s1');
    const first = await drawn();
    await store('s2');
    expect(await manifests().listed(first)).toBe('listed');
    expect(await manifests().waiting()).toEqual(new Map([[PARTITION, 1]]));
    expect(await idsOf()).toEqual(['s2']);
  });

  test('invariant 5: finished twice, or late by one who was thought dead, takes nothing of another manifest', async () => {
    await store('s1');
    const first = await drawn();
    await manifests().listed(first);
    await store('s2');
    // As when a draw of the first one is executed late: nobody has said that this is another.
    await manifests().draw(PARTITION);
    const before = await world.everything();
    expect(await manifests().listed(first)).toBe('gone');
    expect(await world.everything()).toEqual(before);
    expect(await idsOf()).toEqual(['s2']);
  });

  test('invariant 6: when all is listed, nothing is left of it', async () => {
    await store('s1');
    await store('s2', '2026/11/23/11');
    for (const partition of [PARTITION, '2026/11/23/11']) {
      await manifests().listed(await drawn(partition));
    }
    expect(await world.redis.keys('*unlisted*')).toEqual([]);
  });

  test('no more objects wait for manifests than so many: the next commit is refused, and changes nothing', async () => {
    await world.redis.hset(world.lane.keys.unlisted, '2026/11/23/09', UNLISTED_MAX);
    const chunk = await world.append(1);
    await world.read();
    await world.seal('s1', [[chunk, 0, 1]]);
    const before = await world.everything();
    await expect(world.uploader.commit(receiptOf('s1'), 100, PARTITION)).rejects.toMatchObject({
      code: 'UNLISTED',
      retryable: true,
    });
    expect(await world.everything()).toEqual(before);
    await world.redis.hdel(world.lane.keys.unlisted, '2026/11/23/09');
    expect(await world.uploader.commit(receiptOf('s1'), 100, PARTITION)).toBe('committed');
  });

  test('tells the oldest chunk that is not in the bucket, and Redis its time', async () => {
    expect((await manifests().oldestChunk()).appendedMs).toBeNull();
    const chunk = await world.append(1);
    const { appendedMs, nowMs } = await manifests().oldestChunk();
    expect(appendedMs).toBe(Number(chunk.split('-')[0]));
    expect(nowMs - (appendedMs ?? 0)).toBeLessThan(10_000);
  });
});

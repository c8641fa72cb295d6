import { UNLISTED_MAX } from '@sink/domain';
import { describe, expect, test } from 'vitest';
import type { DrawnManifest } from './steps/manifest.ts';
import { LaneWorld, receiptOf } from './test/lane-world.ts';

const world = new LaneWorld();
const PARTITION = '2026/11/23/10';

/** Appends, seals and commits one object of the partition. */
async function store(segment: string, partition = PARTITION): Promise<string> {
  const chunk = await world.append(1);
  await world.read();
  await world.seal(segment, [[chunk, 0, 1]]);
  return world.uploader.commit(receiptOf(segment), 100, partition);
}

async function idsOf(partition = PARTITION): Promise<string[]> {
  const drawn = await world.uploader.drawManifest(partition);
  return (drawn?.receipts ?? []).map(({ id }) => id).sort();
}

async function drawn(partition = PARTITION): Promise<DrawnManifest> {
  const manifest = await world.uploader.drawManifest(partition);
  if (manifest === null) throw new Error(`drawing up a manifest of ${partition}: nothing waits`);
  return manifest;
}

describe('a manifest', () => {
  test('without manifests a commit keeps no receipt for one', async () => {
    const chunk = await world.append(1);
    await world.read();
    await world.seal('s1', [[chunk, 0, 1]]);
    await world.uploader.commit(receiptOf('s1'), 100);
    expect(await world.redis.keys('*unlisted*')).toEqual([]);
    expect(await world.uploader.drawManifest(PARTITION)).toBeNull();
  });

  test('lists what was committed, once, also when the commit is repeated', async () => {
    await store('s1');
    await store('s2');
    expect(await world.uploader.commit(receiptOf('s1'), 100, PARTITION)).toBe('gone');
    expect(await world.uploader.unlisted()).toEqual(new Map([[PARTITION, 2]]));
    expect(await idsOf()).toEqual(['s1', 's2']);
  });

  test('is drawn up once: a later commit, or a draw by another uploader, does not change it', async () => {
    await store('s1');
    const first = await world.uploader.drawManifest(PARTITION);
    await store('s2');
    expect(await world.uploader.drawManifest(PARTITION)).toEqual(first);
    expect(first).toMatchObject({ partition: PARTITION, receipts: [{ id: 's1' }] });
    expect(await world.uploader.unlisted()).toEqual(new Map([[PARTITION, 2]]));
  });

  test('the next one lists what was committed later, and nothing else', async () => {
    await store('s1');
    const first = await drawn();
    await store('s2');
    expect(await world.uploader.manifestListed(first)).toBe('listed');
    expect(await world.uploader.unlisted()).toEqual(new Map([[PARTITION, 1]]));
    expect(await idsOf()).toEqual(['s2']);
  });

  test('invariant 5: finished twice, or late by a zombie, takes nothing of another manifest', async () => {
    await store('s1');
    const first = await drawn();
    await world.uploader.manifestListed(first);
    await store('s2');
    // As when a draw of the first one is executed late: the caller cannot know that this is another.
    await world.uploader.drawManifest(PARTITION);
    const before = await world.everything();
    expect(await world.uploader.manifestListed(first)).toBe('gone');
    expect(await world.everything()).toEqual(before);
    expect(await idsOf()).toEqual(['s2']);
  });

  test('is drawn up until it is finished', async () => {
    await store('s1');
    const manifest = await drawn();
    expect(await world.uploader.isDrawn(manifest)).toBe(true);
    await world.uploader.manifestListed(manifest);
    expect(await world.uploader.isDrawn(manifest)).toBe(false);
  });

  test('invariant 6: when all objects are listed, nothing is left in Redis', async () => {
    await store('s1');
    await store('s2', '2026/11/23/11');
    for (const partition of [PARTITION, '2026/11/23/11']) {
      await world.uploader.manifestListed(await drawn(partition));
    }
    expect(await world.redis.keys('*unlisted*')).toEqual([]);
  });

  test('when too many objects wait for manifests, the next commit is refused and changes nothing', async () => {
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

  test('reports when the oldest chunk that is not in the bucket was appended, and the time of Redis', async () => {
    expect((await world.uploader.oldestChunk()).appendedMs).toBeNull();
    const chunk = await world.append(1);
    const { appendedMs, nowMs } = await world.uploader.oldestChunk();
    expect(appendedMs).toBe(Number(chunk.split('-')[0]));
    expect(nowMs - (appendedMs ?? 0)).toBeLessThan(10_000);
  });
});

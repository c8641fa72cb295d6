import { DEFAULT_ROUTE, type Destination, listOf, QUARANTINE_ROUTE, UNLISTED_MAX } from '@sink/domain';
import { describe, expect, test } from 'vitest';
import type { DrawnManifest } from './steps/manifest.ts';
import { LaneWorld, receiptOf } from './test/lane-world.ts';

const world = new LaneWorld();
const TEN: Destination = { route: DEFAULT_ROUTE, path: '2026/11/23/10' };
const ELEVEN: Destination = { route: DEFAULT_ROUTE, path: '2026/11/23/11' };
const QUARANTINED: Destination = { route: QUARANTINE_ROUTE, path: '2026/11/23/10' };

/** Appends, seals and commits one object of the destination. */
async function store(segment: string, destination = TEN): Promise<string> {
  const chunk = await world.append(1);
  await world.read();
  await world.seal(segment, [[chunk, 0, 1]]);
  return world.uploader.commit(receiptOf(segment), 100, destination);
}

async function idsOf(destination = TEN): Promise<string[]> {
  const drawn = await world.uploader.drawManifest(destination);
  return (drawn?.receipts ?? []).map(({ id }) => id).sort();
}

async function drawn(destination = TEN): Promise<DrawnManifest> {
  const manifest = await world.uploader.drawManifest(destination);
  if (manifest === null) throw new Error(`drawing up a manifest of ${listOf(destination)}: nothing waits`);
  return manifest;
}

describe('a manifest', () => {
  test('without manifests a commit keeps no receipt for one', async () => {
    const chunk = await world.append(1);
    await world.read();
    await world.seal('s1', [[chunk, 0, 1]]);
    await world.uploader.commit(receiptOf('s1'), 100);
    expect(await world.redis.keys('*unlisted*')).toEqual([]);
    expect(await world.uploader.drawManifest(TEN)).toBeNull();
  });

  test('lists what was committed, once, also when the commit is repeated', async () => {
    await store('s1');
    await store('s2');
    expect(await world.uploader.commit(receiptOf('s1'), 100, TEN)).toBe('gone');
    expect(await world.uploader.unlisted()).toEqual([{ destination: TEN, objects: 2 }]);
    expect(await idsOf()).toEqual(['s1', 's2']);
  });

  test('is drawn up once: a later commit, or a draw by another uploader, does not change it', async () => {
    await store('s1');
    const first = await world.uploader.drawManifest(TEN);
    await store('s2');
    expect(await world.uploader.drawManifest(TEN)).toEqual(first);
    expect(first).toMatchObject({ destination: TEN, receipts: [{ id: 's1' }] });
    expect(await world.uploader.unlisted()).toEqual([{ destination: TEN, objects: 2 }]);
  });

  test('the next one lists what was committed later, and nothing else', async () => {
    await store('s1');
    const first = await drawn();
    await store('s2');
    expect(await world.uploader.manifestListed(first)).toBe('listed');
    expect(await world.uploader.unlisted()).toEqual([{ destination: TEN, objects: 1 }]);
    expect(await idsOf()).toEqual(['s2']);
  });

  test('invariant 5: finished twice, or late by a zombie, takes nothing of another manifest', async () => {
    await store('s1');
    const first = await drawn();
    await world.uploader.manifestListed(first);
    await store('s2');
    // As when a draw of the first one is executed late: the caller cannot know that this is another.
    await world.uploader.drawManifest(TEN);
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
    await store('s2', ELEVEN);
    for (const destination of [TEN, ELEVEN]) {
      await world.uploader.manifestListed(await drawn(destination));
    }
    expect(await world.redis.keys('*unlisted*')).toEqual([]);
  });

  test('lists objects of one destination only, and the default route keeps the names that earlier releases read', async () => {
    await store('s1');
    await store('s2', QUARANTINED);
    await store('s3', { route: DEFAULT_ROUTE, path: 'tenant=a/2026' });
    await world.redis.hset(world.lane.keys.unlisted, 'a newer release: knows more', 1);
    expect(await world.uploader.unlisted()).toEqual([
      { destination: TEN, objects: 1 },
      { destination: QUARANTINED, objects: 1 },
      { destination: { route: DEFAULT_ROUTE, path: 'tenant=a/2026' }, objects: 1 },
    ]);
    expect((await world.redis.keys('*unlisted:*')).map((key) => key.replace(/^.*unlisted:/, '')).sort()).toEqual([
      '2026/11/23/10',
      '_default:tenant=a/2026',
      '_quarantine:2026/11/23/10',
    ]);
    expect(await idsOf()).toEqual(['s1']);
    expect(await idsOf(QUARANTINED)).toEqual(['s2']);
  });

  test('when too many objects wait for manifests, the next commit is refused and changes nothing', async () => {
    await world.redis.hset(world.lane.keys.unlisted, '2026/11/23/09', UNLISTED_MAX);
    const chunk = await world.append(1);
    await world.read();
    await world.seal('s1', [[chunk, 0, 1]]);
    const before = await world.everything();
    await expect(world.uploader.commit(receiptOf('s1'), 100, TEN)).rejects.toMatchObject({
      code: 'UNLISTED',
      retryable: true,
    });
    expect(await world.everything()).toEqual(before);
    await world.redis.hdel(world.lane.keys.unlisted, '2026/11/23/09');
    expect(await world.uploader.commit(receiptOf('s1'), 100, TEN)).toBe('committed');
  });

  test('reports when the oldest chunk that is not in the bucket was appended, and the time of Redis', async () => {
    expect((await world.uploader.oldestChunk()).appendedMs).toBeNull();
    const chunk = await world.append(1);
    const { appendedMs, nowMs } = await world.uploader.oldestChunk();
    expect(appendedMs).toBe(Number(chunk.split('-')[0]));
    expect(nowMs - (appendedMs ?? 0)).toBeLessThan(10_000);
  });
});

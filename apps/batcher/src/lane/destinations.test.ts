import { builtInRoutes, parseRecord, type RouteRules } from '@sink/domain';
import { leaseKey } from '@sink/lane';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { BatcherWorld, PARTITION } from '../test/batcher-world.ts';

const world = new BatcherWorld();
const ROUTES = builtInRoutes({ bucket: 'events', prefix: '', quarantinePrefix: 'quarantine/' });

/** Appends a chunk of version 2; returns its id. */
function appendRouted(route: string, path: string, lines: readonly string[]): Promise<string> {
  return world.append(lines.length, { route, partition: path, lines });
}

describe('segments by destination', () => {
  test('quarantine has objects of its own, below its prefix, in version 2; default traffic stays in version 1', async () => {
    await world.append(2);
    const refused = await appendRouted('_quarantine', PARTITION, ['"refused 1"', '"refused 2"', '"refused 3"']);
    await world.append(1);
    const batcher = world.batcher({ compression: 'gzip', compressionLevel: 3 });
    await eventually(() => expect(batcher.openPaths()).toBe(2));
    await batcher.stop();
    const records = (await world.redis.hvals(world.lane.keys.records)).map(parseRecord);
    const [plain, routed] = records.toSorted((a, b) => a.v - b.v);
    expect(plain).toMatchObject({ v: 1, partition: PARTITION, count: 3 });
    expect(plain).not.toHaveProperty('route');
    expect(plain?.key).toMatch(new RegExp(`^${PARTITION}/eventing-uid1-`));
    expect(routed).toMatchObject({
      ...{ v: 2, route: '_quarantine', path: PARTITION, bucket: 'events', format: 'jsonl' },
      ...{ compression: 'gzip', compressionLevel: 3, spoolCompression: 'gzip', count: 3, slices: [[refused, 0, 3]] },
    });
    expect(routed?.key).toMatch(new RegExp(`^quarantine/${PARTITION}/eventing-uid1-.*\\.ndjson\\.gz$`));
    expect(batcher.uploads.toSorted()).toEqual(records.map(({ id }) => id).sort());
    expect(await world.pending()).toBe(0);
  });

  test('a record says what the rules of its route say of the PUT', async () => {
    const rules: RouteRules = {
      bucket: 'audit',
      prefix: 'a/',
      endsWithSlot: false,
      tags: { team: 'x' },
      metadata: { m: '1' },
      lockForMs: 5_000,
    };
    await appendRouted('audit', 'tenant=a/2026-11', ['"1"']);
    const batcher = world.batcher({ routes: new Map([['audit', rules]]), scheduledIntervalMs: 50, openMsMin: 10 });
    await eventually(async () => expect(await world.counts()).toEqual([1]));
    await batcher.stop();
    const [record] = await world.records();
    const { sealedAtMs = 0 } = record ?? {};
    expect(record).toMatchObject({ v: 2, bucket: 'audit', tags: { team: 'x' }, metadata: { m: '1' } });
    expect(record).toMatchObject({ lockUntilMs: sealedAtMs + 5_000, path: 'tenant=a/2026-11' });
    expect(record?.key).toMatch(/^a\/tenant=a\/2026-11\/eventing-/);
  });

  test('what is kept with objects of the default route is in a record of version 2', async () => {
    const plain = builtInRoutes({ bucket: 'events', prefix: '', quarantinePrefix: 'quarantine/' });
    const kept = { tags: { team: 'x' }, lockForMs: 5_000 };
    const routes = new Map([...plain].map(([name, rules]) => [name, { ...rules, ...kept }]));
    await world.append(2);
    const batcher = world.batcher({ routes });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    await batcher.stop();
    const [record] = await world.records();
    expect(record).toMatchObject({ v: 2, route: '_default', path: PARTITION, bucket: 'events', tags: kept.tags });
    expect(record).toMatchObject({ lockUntilMs: (record?.sealedAtMs ?? 0) + 5_000 });
    expect(record?.key).toMatch(new RegExp(`^${PARTITION}/eventing-uid1-`));
  });

  test('a slot of quarantine closes when its time is over, a path that is none with its interval', async () => {
    await appendRouted('_quarantine', '2026/11/23/09', ['"over"']);
    await appendRouted('_default', 'tenant=a', ['"has no end"']);
    const batcher = world.batcher({ partitionEndGraceMs: 20 });
    await eventually(async () => expect(await world.records()).toMatchObject([{ path: '2026/11/23/09' }]));
    expect(batcher.openPaths()).toBe(1);
    await batcher.stop();
    expect(await world.records()).toMatchObject([
      { path: '2026/11/23/09' },
      { v: 2, route: '_default', path: 'tenant=a' },
    ]);
  });
});

describe('what a route says of its objects', () => {
  const audit = { bucket: 'audit', prefix: 'a/', endsWithSlot: true };

  test('takes the place of the top level: compression, level, sizes and interval', async () => {
    await appendRouted('audit', 'p', ['"1"', '"2"', '"3"', '"4"', '"5"']);
    await world.append(3);
    const rules = {
      ...audit,
      compression: 'gzip',
      compressionLevel: 9,
      flushSize: 2,
      scheduledIntervalMs: 50,
    } as const;
    const batcher = world.batcher({
      routes: new Map([['audit', rules], ...ROUTES]),
      ...{ compression: 'zstd', compressionLevel: 2, openMsMin: 10, scheduledIntervalMs: 600_000 },
    });
    await eventually(async () => expect(await world.counts()).toEqual([2, 2, 1]));
    expect(await world.records()).toMatchObject(
      Array.from({ length: 3 }, () => ({ route: 'audit', compression: 'gzip', compressionLevel: 9 })),
    );
    await batcher.stop();
    const plain = (await world.records()).find(({ v }) => v === 1);
    expect(plain).toMatchObject({ count: 3, compression: 'zstd', compressionLevel: 2 });
  });

  test('bytes as well; a codec of its own has its own level, and what the route does not say is live', async () => {
    await appendRouted('audit', 'p', ['"1"', '"2"', '"3"']);
    const rules = { ...audit, compression: 'gzip', flushBytes: 8 } as const;
    const batcher = world.batcher({ routes: new Map([['audit', rules]]), compression: 'zstd', compressionLevel: 19 });
    await eventually(async () => expect(await world.counts()).toEqual([2]));
    expect((await world.records())[0]).not.toHaveProperty('compressionLevel');
    batcher.change({ flushSize: 1 });
    await eventually(async () => expect(await world.counts()).toEqual([2, 1]));
    await batcher.stop();
  });

  test('a slot of a route whose paths do not end stays open until its interval', async () => {
    await appendRouted('audit', '2026/11/23/09', ['"over"']);
    await appendRouted('_quarantine', '2026/11/23/09', ['"over"']);
    const rules = { ...audit, endsWithSlot: false };
    const batcher = world.batcher({
      routes: new Map([['audit', rules], ...ROUTES]),
      partitionEndGraceMs: 20,
    });
    await eventually(async () => expect(await world.records()).toMatchObject([{ route: '_quarantine' }]));
    expect(batcher.openPaths()).toBe(1);
    await batcher.stop();
  });
});

describe('a route that the batcher does not know', () => {
  test('its chunks wait as they are, all others go on, and readiness says what to do', async () => {
    const waiting = await appendRouted('audit', PARTITION, ['"1"', '"2"']);
    await world.append(3);
    const batcher = world.batcher({ scheduledIntervalMs: 50, openMsMin: 10, auditEveryMs: 50 });
    await eventually(async () => expect(await world.counts()).toEqual([3]));
    expect(await world.pending()).toBe(1);
    await eventually(() => expect(batcher.problems.get('routes')).toContain('1 chunks wait for routes'));
    expect(batcher.problems.get('routes')).toMatch(/does not know: audit\. Upgrade .*, or bring the routes back/);
    await world.append(1);
    await eventually(async () => expect(await world.counts()).toEqual([3, 1]));
    expect(batcher.reported.foreign).toEqual([]);
    await batcher.stop();
    expect(await world.redis.hget(world.lane.keys.taken, waiting)).toBe('0/2');
    expect(await world.pending()).toBe(1);
  });

  test('nothing of it is read again by each audit', async () => {
    await appendRouted('audit', PARTITION, ['"1"']);
    let reads = 0;
    const batcher = world.batcher({ auditEveryMs: 20 });
    batcher.redis.before = async (name) => void (reads += name === 'XRANGE' ? 1 : 0);
    await eventually(() => expect(batcher.problems.get('routes')).toBeDefined());
    await world.clock.sleep(200);
    expect(reads).toBeLessThanOrEqual(1);
    await batcher.stop();
  });

  test('a batcher that knows it seals all of it, and the other one is ready again', async () => {
    await appendRouted('audit', PARTITION, ['"1"', '"2"']);
    const old = world.batcher({ leaseMs: 100_000, auditEveryMs: 20 });
    await eventually(() => expect(old.problems.get('routes')).toBeDefined());
    const routes = new Map([...ROUTES, ['audit', { bucket: 'events', prefix: 'audit/', endsWithSlot: true }]]);
    const newer = world.batcher({ routes, scheduledIntervalMs: 50, openMsMin: 10 });
    await world.redis.del(leaseKey(world.lane.keys, old.consumer));
    await eventually(async () => expect(await world.records()).toMatchObject([{ v: 2, route: 'audit', count: 2 }]));
    expect(newer.problems.get('routes') ?? null).toBeNull();
    await newer.stop();
    await old.stop();
  });

  test('a retired route is stored as its target, in one object with what is there of the target, with its own path', async () => {
    await appendRouted('old', 'p', ['"1"', '"2"']);
    await appendRouted('audit', 'p', ['"3"']);
    await appendRouted('older', PARTITION, ['"4"']);
    const audit = { bucket: 'audit', prefix: 'a/', endsWithSlot: true };
    const routes = new Map([
      ...ROUTES,
      ['audit', audit],
      ['old', { ...audit, storedAs: 'audit' }],
      ['older', { bucket: 'events', prefix: '', endsWithSlot: true, storedAs: '_default' }],
    ]);
    const batcher = world.batcher({ routes });
    await eventually(() => expect(batcher.openPaths()).toBe(2));
    await batcher.stop();
    const [plain, routed] = (await world.records()).toSorted((a, b) => a.v - b.v);
    expect(plain).toMatchObject({ v: 1, partition: PARTITION, count: 1 });
    expect(routed).toMatchObject({ v: 2, route: 'audit', path: 'p', bucket: 'audit', count: 3 });
    expect(routed?.key).toMatch(/^a\/p\/eventing-/);
    expect(await world.pending()).toBe(0);
  });

  test('a change of the configuration that brings it back is enough', async () => {
    await appendRouted('audit', PARTITION, ['"1"']);
    const batcher = world.batcher({ scheduledIntervalMs: 50, openMsMin: 10, auditEveryMs: 20 });
    await eventually(() => expect(batcher.problems.get('routes')).toBeDefined());
    batcher.change({ routes: new Map([['audit', { bucket: 'events', prefix: 'audit/', endsWithSlot: true }]]) });
    await eventually(async () => expect(await world.counts()).toEqual([1]));
    await eventually(() => expect(batcher.problems.get('routes')).toBeNull());
    await batcher.stop();
  });
});

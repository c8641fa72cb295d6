import { rename } from 'node:fs/promises';
import { builtInRoutes, UNLISTED_MAX } from '@sink/domain';
import { IoredisPort, type RedisPort } from '@sink/lane';
import { createObjectStore } from '@sink/objects';
import { createLogger, Readiness, Registry, systemClock } from '@sink/runtime';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { UploaderMetrics } from '../metrics.ts';
import { Manifests } from './manifests.ts';
import { SINK, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();
const ON = { config: { manifests: true } };
const MANIFEST = /^2026\/11\/23\/10\/_manifest-[0-9a-f]+-[0-9a-f]{32}\.json$/;

interface Listed {
  readonly objects: readonly { key: string; count: number; sha256: string }[];
}

function manifests(): { key: string; manifest: Listed }[] {
  return world.s3
    .objects()
    .filter(({ key }) => MANIFEST.test(key))
    .map(({ key, body }) => ({ key, manifest: JSON.parse(body.toString()) as Listed }));
}

/** What commits leave in Redis for objects that wait for a manifest of a partition. */
async function putAside(partition: string, receipts: Record<string, string>, lane = 0): Promise<void> {
  const { unlisted } = world.lane(lane).keys;
  await world.admin.hset(unlisted, partition, Object.keys(receipts).length);
  await world.admin.hset(`${unlisted}:${partition}`, receipts);
}

function receiptJson(id: string): string {
  const numbers = { count: 1, bytes: 1, objectBytes: 1, acceptedAtMs: 1, sealedAtMs: 1, storedAtMs: 1 };
  return JSON.stringify({ v: 1, id, key: `object-${id}`, etag: '"e"', sha256: 'abc', ...numbers });
}

/** Runs `test`, which starts writers of manifests, each over a port of its own, and stops them. */
async function writing(
  test: (write: (sweepRedis: RedisPort, how?: { replicas?: number; lines?: string[] }) => void) => Promise<void>,
): Promise<void> {
  const config = world.config();
  const store = createObjectStore(config.bucket, { ifNoneMatch: config.ifNoneMatch });
  const stop = new AbortController();
  const writers: Promise<void>[] = [];
  try {
    await test((sweepRedis, { replicas = 0, lines = [] } = {}) => {
      const ports = {
        ...{
          sweepRedis,
          stores: { ofDestination: () => ({ store, place: 'events' }) },
          readiness: new Readiness(),
          clock: systemClock,
        },
        timeout: (ms: number) => AbortSignal.timeout(ms),
        metrics: new UploaderMetrics(new Registry()),
        log: createLogger({
          ...{ service: 'uploader', level: 'debug' },
          destination: { write: (line) => void lines.push(line) },
        }),
      };
      const barrier = { waitaof: false, replicas, timeoutMs: 50 };
      const times = { uploadTimeoutMs: 5_000, sweepEveryMs: 10, manifestGraceMs: 0, manifestAfterMs: 0 };
      const manifests = new Manifests(ports, { sinkName: SINK, lanes: 1, routes: ROUTES, barrier, ...times });
      writers.push(manifests.writeUntil(stop.signal));
    });
  } finally {
    stop.abort();
    await Promise.all(writers);
    store.close();
  }
}

const ROUTES = builtInRoutes({ bucket: 'events', prefix: '', quarantinePrefix: 'quarantine/' });
const PUT_MANIFEST = { operation: 'PutObject', keyPattern: '_manifest' } as const;

const listedKeys = (): string[] => manifests().flatMap(({ manifest }) => manifest.objects.map(({ key }) => key));
const nothingWaits = async (): Promise<void> => expect(await world.admin.keys('*unlisted*')).toEqual([]);

describe('manifests', () => {
  test('list every object of a partition that is over, once, with what its receipt says', async () => {
    const sealed = [await world.sealAndQueue(), await world.sealAndQueue({ chunks: [['{"id":"4"}']] })];
    await world.startUploader(ON);
    await eventually(() => expect(listedKeys()).toHaveLength(2));
    await eventually(nothingWaits);
    expect(listedKeys().sort()).toEqual(sealed.map(({ record }) => record.key).sort());
    const entries = manifests().flatMap(({ manifest }) => manifest.objects);
    for (const { record } of sealed) {
      const { key, count, bytes, sha256 } = record;
      expect(entries).toContainEqual(expect.objectContaining({ key, count, bytes, sha256 }));
    }
  });

  test('list objects of one destination only, below its prefix', async () => {
    const plain = await world.sealAndQueue();
    const routed = await world.sealAndQueue({ compression: 'gzip', routed: {} });
    await world.startUploader(ON);
    await eventually(() => expect(world.s3.objects()).toHaveLength(4));
    await eventually(nothingWaits);
    expect(listedKeys()).toEqual([plain.record.key]);
    expect(manifests()[0]?.manifest).not.toHaveProperty('route');
    const [manifest] = world.s3.objects().filter(({ key }) => key.startsWith('quarantine/2026/11/23/10/_manifest-'));
    const { key, count, bytes, sha256 } = routed.record;
    expect(JSON.parse(manifest?.body.toString() ?? '')).toMatchObject({
      ...{ v: 1, route: '_quarantine', partition: '2026/11/23/10', objectCount: 1, eventCount: count },
      objects: [{ key, count, bytes, sha256, bucket: 'events', objectBytes: routed.object.length }],
    });
  });

  test('of a route that this release does not know are left to another', async () => {
    await world.batcherLane().open('abcd');
    await putAside('audit:tenant=a', { s1: receiptJson('s1') });
    await putAside('2026/11/23/10', { s2: receiptJson('s2') });
    const uploader = await world.startUploader(ON);
    await eventually(() => expect(listedKeys()).toEqual(['object-s2']));
    await eventually(async () => expect(await world.admin.keys('*unlisted:*')).toHaveLength(1));
    await uploader.stop();
    expect(await world.admin.keys('*unlisted:*')).toHaveLength(1);
    expect(world.s3.objects()).toHaveLength(1);
  });

  test('are not written unless asked for', async () => {
    await world.sealAndQueue();
    const uploader = await world.startUploader();
    await eventually(() => expect(world.s3.objects()).toHaveLength(1));
    await uploader.stop();
    expect(manifests()).toEqual([]);
    await nothingWaits();
  });

  test('list what comes late in a further one, which lists nothing else', async () => {
    await world.sealAndQueue();
    await world.startUploader(ON);
    await eventually(() => expect(manifests()).toHaveLength(1));
    const late = await world.sealAndQueue({ chunks: [['{"id":"late"}']] });
    await eventually(() => expect(manifests()).toHaveLength(2));
    await eventually(nothingWaits);
    expect(new Set(listedKeys()).size).toBe(listedKeys().length);
    expect(listedKeys()).toContain(late.record.key);
  });

  test('wait while a chunk that was appended before the end of their partition is not in the bucket', async () => {
    const lane = world.batcherLane();
    await lane.open('abcd');
    await world.admin.xadd(lane.keys.chunks, '1-1', 'v', '1');
    await lane.read('batcher', 1, 0);
    await world.sealAndQueue();
    const uploader = await world.startUploader(ON);
    await eventually(() => uploader.metric('sink_objects_unlisted').then((objects) => objects === 1));
    expect(manifests()).toEqual([]);
    await world.admin.xdel(lane.keys.chunks, '1-1');
    await eventually(() => expect(listedKeys()).toHaveLength(1));
  });

  test('invariants 3 and 5: a PUT whose answer was lost, and an uploader that died after it, lead to the same object', async () => {
    world.s3.addFault({
      match: { operation: 'PutObject', keyPattern: '_manifest' },
      effect: { kind: 'hang', applied: true },
      times: 1,
    });
    await world.sealAndQueue();
    const dead = await world.startUploader(ON);
    await eventually(() => expect(manifests()).toHaveLength(1));
    await dead.stop();
    expect(await world.admin.keys('*unlisted*')).not.toEqual([]);
    await world.sealAndQueue({ chunks: [['{"id":"late"}']] });
    const next = await world.startUploader(ON);
    await eventually(() => expect(manifests()).toHaveLength(2));
    await eventually(nothingWaits);
    expect(await next.metric('sink_manifests_total', { result: 'existed' })).toBe(1);
    expect(new Set(listedKeys()).size).toBe(2);
    expect(listedKeys()).toHaveLength(2);
  });

  test('two uploaders at once write the same ones', async () => {
    await Promise.all([world.startUploader(ON), world.startUploader(ON)]);
    for (let n = 0; n < 20; n++) await world.sealAndQueue({ chunks: [[`{"id":"n${n}"}`]] });
    await eventually(() => expect(new Set(listedKeys()).size).toBe(20), { timeoutMs: 15_000 });
    await eventually(nothingWaits);
    expect(listedKeys()).toHaveLength(20);
  });

  test('what was put aside is listed also after manifests were switched off', async () => {
    world.s3.addFault({
      match: { operation: 'PutObject', keyPattern: '_manifest' },
      effect: { kind: 'error', status: 500, code: 'InternalError' },
      times: 1,
    });
    await world.sealAndQueue();
    const on = await world.startUploader({ ...ON, times: { sweepEveryMs: 60_000 } });
    await eventually(() => expect(world.s3.objects()).toHaveLength(1));
    await on.stop();
    await world.startUploader();
    await eventually(() => expect(listedKeys()).toHaveLength(1));
    await eventually(nothingWaits);
  });
});

describe('a path that no time ends', () => {
  const EVENT_TIME = { config: { manifests: true, manifest_after: '1s' } };
  const ofTenant = { compression: 'none', routed: { path: 'tenant=a' } } as const;
  const keysOfTenant = (): string[] =>
    world.s3
      .objects()
      .filter(({ key }) => /\/_manifest-/.test(key))
      .flatMap(({ body }) => (JSON.parse(body.toString()) as Listed).objects.map(({ key }) => key));

  test('is listed when nothing came for a while; what comes later is listed once, by a further manifest', async () => {
    const first = await world.sealAndQueue(ofTenant);
    const uploader = await world.startUploader(EVENT_TIME);
    const startMs = Date.now();
    await eventually(() => expect(keysOfTenant()).toEqual([first.record.key]));
    expect(Date.now() - startMs).toBeGreaterThan(500);
    const later = await world.sealAndQueue({ ...ofTenant, chunks: [['{"id":"later"}']] });
    await eventually(() => expect(keysOfTenant()).toHaveLength(2));
    await eventually(nothingWaits);
    expect(keysOfTenant().toSorted()).toEqual([first.record.key, later.record.key].toSorted());
    await uploader.stop();
  });

  test('waits while a segment of it is sealed, or an older chunk is in the stream, and not for one of an unknown route', async () => {
    const lane = world.batcherLane();
    await lane.open('abcd');
    await putAside('_quarantine:tenant=a', { s1: receiptJson('s1').replace('"storedAtMs":1', '"storedAtMs":5') });
    await putAside('2026/11/23/10', { s2: receiptJson('s2') });
    for (const [id, route] of [
      ['1-1', 'gone'],
      ['1-2', 'gone'],
      ['2-1', '_quarantine'],
    ] as const) {
      await world.admin.xadd(lane.keys.chunks, id, 'v', '2', 'r', route);
    }
    await lane.read('batcher', 3, 0);
    const uploader = await world.startUploader({ ...EVENT_TIME, config: { ...EVENT_TIME.config, lanes: 1 } });
    await eventually(() => uploader.metric('sink_objects_unlisted').then((objects) => objects === 2));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(world.s3.objects()).toEqual([]);
    await world.admin.xdel(lane.keys.chunks, '2-1');
    await eventually(() => expect(keysOfTenant().toSorted()).toEqual(['object-s1', 'object-s2']));
    await eventually(async () => expect(await world.admin.keys('*unlisted*')).toEqual([]));
    expect(await world.admin.xlen(lane.keys.chunks)).toBe(2);
  });

  test('waits for a sealed segment of its own', async () => {
    world.s3.addFault({
      match: { operation: 'PutObject', keyPattern: 'eventing' },
      effect: { kind: 'error', status: 500, code: 'InternalError' },
      times: 3,
    });
    const sealed = await world.sealAndQueue(ofTenant);
    await world.admin.xtrim(world.lane().keys.chunks, 'MAXLEN', 0);
    await putAside('_quarantine:tenant=a', { s1: receiptJson('s1') });
    const uploader = await world.startUploader({
      ...EVENT_TIME,
      times: { retry: { baseMs: 300, capMs: 300, slowMs: 300 } },
    });
    await eventually(async () =>
      expect(await uploader.metric('sink_upload_retries_total', { kind: 'store' })).toBeGreaterThan(0),
    );
    expect(keysOfTenant()).toEqual([]);
    world.s3.clearFaults();
    expect(sealed.record.key).toContain('tenant=a');
  });
});

describe('what holds a manifest back', () => {
  test('a spilled segment of its partition', async () => {
    const spilled = await world.spill();
    const path = world.spoolPath(spilled.record, 'spilled');
    await rename(path, `${path}.away`);
    await world.sealAndQueue();
    const uploader = await world.startUploader(ON);
    await eventually(async () => expect(await uploader.metric('sink_objects_unlisted')).toBe(1));
    await eventually(async () =>
      expect(await uploader.metric('sink_upload_retries_total', { kind: 'segment' })).toBeGreaterThan(0),
    );
    expect(manifests()).toEqual([]);
    await rename(`${path}.away`, path);
    await eventually(() => expect(listedKeys()).toHaveLength(2));
    expect(listedKeys()).toContain(spilled.record.key);
    expect(manifests()).toHaveLength(1);
  });

  test('invariant 4: durability that is not reached; nothing is put', async () => {
    await world.batcherLane().open('abcd');
    await putAside('2026/11/23/10', { s1: receiptJson('s1') });
    const lines: string[] = [];
    await writing(async (write) => {
      write(new IoredisPort(world.admin), { replicas: 1, lines });
      const refused = (): boolean => lines.some((line) => line.includes('NOTDURABLE'));
      await eventually(() => expect(refused() || world.s3.requests().length > 0).toBe(true));
      expect(world.s3.requests()).toEqual([]);
      expect(await world.admin.hget(world.lane().keys.unlisted, '2026/11/23/10')).toBe('1');
      write(new IoredisPort(world.admin));
      await eventually(() => expect(listedKeys()).toEqual(['object-s1']));
    });
  });

  test('a list that a failover has lost: what is drawn up then lists more, and no object is listed twice', async () => {
    await world.batcherLane().open('abcd');
    const partition = '2026/11/23/10';
    await putAside(partition, { s1: receiptJson('s1') });
    const redis = new IoredisPort(world.admin);
    const ofPartition = `${world.lane().keys.unlisted}:${partition}`;
    const listing = `${ofPartition}:listing`;
    let isFormer = true;
    await writing(async (write) => {
      write({
        run: (...step) => redis.run(...step),
        callBuffer: (...command) => redis.callBuffer(...command),
        call: async (command, args, key) => {
          const answer = await redis.call(command, args, key);
          // The new master has not seen that it was drawn up, and gets one more object.
          if (isFormer && command === 'HGETALL' && args[0] === listing) {
            isFormer = false;
            await world.admin.rename(listing, ofPartition);
            await world.admin.hdel(ofPartition, '');
            await putAside(partition, { s1: receiptJson('s1'), s2: receiptJson('s2') });
          }
          return answer;
        },
      });
      await eventually(nothingWaits);
    });
    expect(listedKeys().sort()).toEqual(['object-s1', 'object-s2']);
  });

  test('a lane without a uid: no key would say whose the manifest is', async () => {
    await putAside('2026/11/23/10', { s1: receiptJson('s1') });
    const uploader = await world.startUploader(ON);
    await eventually(() => expect(uploader.problems()['manifests']).toMatch(/uid of lane 0/));
    expect(world.s3.objects()).toEqual([]);
  });
});

describe('when manifests fail', () => {
  test('one partition, the others are listed, and what waits is reported', async () => {
    await world.batcherLane().open('abcd');
    await putAside('2026/11/23/09', { s1: 'no receipt', s2: 'nor this' });
    await putAside('2026/11/23/10', { s3: receiptJson('s3') });
    const uploader = await world.startUploader(ON);
    await eventually(() => expect(listedKeys()).toEqual(['object-s3']));
    await eventually(() => expect(uploader.problems()['manifests']).toMatch(/reading a receipt.*report it/));
    await eventually(async () => expect(await uploader.metric('sink_objects_unlisted')).toBe(2));
  });

  test('one lane, the others are listed, and what waits is reported', async () => {
    await world.batcherLane(1).open('beef');
    await putAside('2026/11/23/10', { s0: receiptJson('s0') }, 0);
    await world.admin.set(world.lane(0).keys.spilled, 'not a hash');
    await putAside('2026/11/23/10', { s1: receiptJson('s1') }, 1);
    const uploader = await world.startUploader({ config: { manifests: true, lanes: 2, receipts_max: 1_000 } });
    await eventually(() => expect(listedKeys()).toEqual(['object-s1']));
    expect(await uploader.metric('sink_objects_unlisted', { lane: '0' })).toBe(1);
  });

  test('for a while, the uploader stays ready', async () => {
    world.s3.addFault({ match: PUT_MANIFEST, effect: { kind: 'error', status: 503, code: 'ServiceUnavailable' } });
    await world.sealAndQueue();
    const uploader = await world.startUploader(ON);
    const failed = (): Promise<number> => uploader.metric('sink_manifests_total', { result: 'failed' });
    await eventually(async () => expect(await failed()).toBeGreaterThan(1), { timeoutMs: 15_000 });
    expect(uploader.problems()).toEqual({});
    expect(uploader.log()).toContain('writing manifests fails');
    expect(await uploader.metric('sink_objects_unlisted')).toBe(1);
  });

  test('until a person does something, it is not ready, and says what to do', async () => {
    world.s3.addFault({ match: PUT_MANIFEST, effect: { kind: 'error', status: 403, code: 'AccessDenied' } });
    await world.sealAndQueue();
    const uploader = await world.startUploader(ON);
    await eventually(() => expect(uploader.problems()['manifests']).toMatch(/s3:PutObject/));
    world.s3.clear();
    await eventually(() => expect(uploader.problems()).toEqual({}));
  });

  test('so long that commits will soon be refused, it is not ready', async () => {
    await world.admin.hset(world.lane().keys.unlisted, '2026/11/23/10', UNLISTED_MAX - 1);
    const uploader = await world.startUploader(ON);
    await eventually(() => expect(uploader.problems()['manifests']).toMatch(/19999 objects of lane 0 wait/));
    await world.admin.del(world.lane().keys.unlisted);
    await eventually(() => expect(uploader.problems()).toEqual({}));
  });

  test('so long that commits are refused, objects are not put again and again; uploads continue automatically', async () => {
    await world.admin.hset(world.lane().keys.unlisted, '2026/11/23/09', UNLISTED_MAX);
    await world.sealAndQueue();
    const uploader = await world.startUploader({ ...ON, times: { retry: { baseMs: 1, capMs: 1, slowMs: 1_500 } } });
    const refused = (): Promise<number> => uploader.metric('sink_upload_retries_total', { kind: 'manifests' });
    await eventually(async () => expect(await refused()).toBe(1));
    expect(uploader.log()).toMatch(/Too many objects wait for their manifests/);
    const puts = world.s3.requests().length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(world.s3.requests()).toHaveLength(puts);
    await world.admin.hdel(world.lane().keys.unlisted, '2026/11/23/09');
    await eventually(() => expect(listedKeys()).toHaveLength(1));
  });

  test('or did not yet: each outcome is counted from 0', async () => {
    const registry = new Registry();
    new UploaderMetrics(registry);
    const text = await registry.metrics();
    for (const result of ['stored', 'existed', 'failed']) {
      expect(text).toContain(`sink_manifests_total{result="${result}"} 0`);
    }
  });
});

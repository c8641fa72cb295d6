import { createHash } from 'node:crypto';
import { crc32, gzipSync } from 'node:zlib';
import {
  crc32Checksum,
  DEFAULT_ROUTE,
  type Destination,
  objectKey,
  partitionSpan,
  type Receipt,
  RECEIPT_VERSION,
  RECORD_VERSION,
  retryMarkerKey,
  ROUTED_RECEIPT_VERSION,
  type RoutedReceipt,
  type SegmentRecord,
} from '@sink/domain';
import { BatcherLane, IngestLane, IoredisPort, LaneView, UploaderLane } from '@sink/lane';
import { createObjectReader, createObjectStore, type ObjectReader, placeOf } from '@sink/objects';
import { type FakeS3, type RedisServer, startRedis, startS3 } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LookedAt } from './places.ts';
import { reportText } from './report.ts';
import { rangeOf } from './time-range.ts';
import { verify, type VerifyOptions } from './verify.ts';
import type { Verified } from './verified.ts';

const PREFIX = 'raw/';
const UID = 'f00d';
const never = new AbortController().signal;
let redis: RedisServer;
let s3: FakeS3;
let client: Redis;
let lane: LaneView;
let ingest: IngestLane;
let batcher: BatcherLane;
let uploader: UploaderLane;
let events: number;
let writer: { id: string; sequence: number };

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
  s3 = await startS3({ bucket: 'events', otherBuckets: ['audit'], accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' });
});
afterAll(async () => {
  client.disconnect();
  await redis.stop();
  await s3.stop();
});
beforeEach(async () => {
  await client.flushall();
  s3.clear();
  s3.setPermissions('all');
  events = 0;
  const port = new IoredisPort(client);
  lane = new LaneView(port, 'sink', 0);
  ingest = new IngestLane(port, 'sink', 0);
  batcher = new BatcherLane(port, 'sink', 0);
  uploader = new UploaderLane(port, 'sink', 0);
  await ingest.open(UID);
  writer = { id: await ingest.registerWriter('n'), sequence: 0 };
});

function bucket(name = s3.bucket) {
  const { accessKeyId, secretAccessKey } = s3;
  const credentials = { accessKeyId, secretAccessKey };
  return { kind: 's3' as const, name, endpoint: s3.url, forcePathStyle: true, credentials };
}

interface Stored {
  readonly record: SegmentRecord;
  readonly body: Buffer;
  put(): Promise<string>;
  commit(etag: string, place?: string): Promise<void>;
}

/** A sealed segment of some events, gzipped. The lane's own steps make it. */
async function seal(
  count = 3,
  partition = '2026/11/23/10',
  lines?: readonly string[],
  prefix = PREFIX,
  acceptedAtMs = acceptedIn(partition),
): Promise<Stored> {
  const given = lines ?? Array.from({ length: count }, () => eventLine(events++));
  const content = Buffer.from(given.map((line) => `${line}\n`).join(''));
  await ingest.append({
    writer: writer.id,
    sequence: ++writer.sequence,
    entries: [{ route: DEFAULT_ROUTE, path: partition, count: given.length, body: content, bytes: content.length }],
    furtherBytes: 0,
    acceptedAtMs,
    backlogBytesMax: 1e9,
  });
  const first = [await lane.lastAppended(), 0, given.length] as const;
  const sha256 = createHash('sha256').update(content).digest('hex');
  const record: SegmentRecord = {
    v: RECORD_VERSION,
    id: `s${first[0]}`,
    key: objectKey({ prefix, path: partition, laneUid: UID, first, sha256, compression: 'gzip' }),
    partition,
    slices: [first],
    count: given.length,
    bytes: content.length,
    sha256,
    compression: 'gzip',
    spool: 'b1',
    acceptedAtMs,
    sealedAtMs: acceptedAtMs + 1,
  };
  expect(await batcher.seal(record, JSON.stringify(record))).toEqual({ kind: 'sealed' });
  const body = gzipSync(content);
  return {
    record,
    body,
    put: async () => {
      const store = createObjectStore(bucket(), { ifNoneMatch: 'auto' });
      const { key, id } = record;
      const object = { key, body, objectBytes: body.length, crc32: crc32(body), contentType: 'application/gzip' };
      const { etag } = await store.put({ ...object, contentHash: sha256, segmentId: id }, never);
      store.close();
      return etag;
    },
    commit: async (etag, place = placeOf(bucket())) => {
      const { id, key, bytes, acceptedAtMs, sealedAtMs } = record;
      const facts = { id, key, etag, count: given.length, bytes, sha256, acceptedAtMs, sealedAtMs };
      const receipt: Receipt = { v: RECEIPT_VERSION, ...facts, objectBytes: body.length, storedAtMs: Date.now() };
      await uploader.commit(receipt, 1_000, undefined, place);
    },
  };
}

/** Half an hour after the start of a slot. */
function acceptedIn(partition: string): number {
  return (partitionSpan(partition)?.startMs ?? 0) + 1_800_000;
}

/** The same as version 2: sealed, put and committed by the lane's own steps. */
async function storeRouted(
  destination: Destination,
  { name = 'events', prefix = 'quarantine/', lines = [evidence()], more = {} }: RoutedOptions = {},
): Promise<Stored> {
  const segment = await seal(lines.length, '2026/11/23/10', lines, prefix);
  const { record, body } = segment;
  const { slices, id, count, bytes, sha256, acceptedAtMs, sealedAtMs, compression } = record;
  const key = objectKey({
    prefix,
    path: destination.path,
    laneUid: UID,
    first: slices[0] ?? ['', 0, 0],
    sha256,
    compression,
  });
  const store = createObjectStore(bucket(name), { ifNoneMatch: 'auto' });
  const object = { key, body, objectBytes: body.length, crc32: crc32(body), contentType: 'application/gzip' };
  const { etag } = await store.put({ ...object, contentHash: sha256, segmentId: id }, never);
  store.close();
  const receipt: RoutedReceipt = {
    ...{ v: ROUTED_RECEIPT_VERSION, id, bucket: name, key, ...destination, etag, count, bytes, sha256 },
    ...{ objectBytes: body.length, checksum: crc32Checksum(crc32(body)), acceptedAtMs, sealedAtMs },
    ...{ storedAtMs: Date.now(), ...more },
  };
  await uploader.commit(receipt, 1_000, undefined, placeOf(bucket(name)));
  return { ...segment, record: { ...record, key } };
}

interface RoutedOptions {
  readonly name?: string;
  readonly prefix?: string;
  readonly lines?: readonly string[];
  readonly more?: Partial<RoutedReceipt>;
}

let evidences = 0;
/** As far as an audit reads it. */
function evidence(id = String(++evidences)): string {
  return JSON.stringify({ v: 1, id, why: 'it is wrong' });
}

function eventLine(id: number): string {
  return JSON.stringify({ specversion: '1.0', id: String(id), source: '/verify', type: 't' });
}

async function store(count?: number, partition?: string, lines?: readonly string[]): Promise<Stored> {
  const segment = await seal(count, partition, lines);
  await segment.commit(await segment.put());
  return segment;
}

async function verified(options: { from?: string; to?: string } & Partial<VerifyOptions> = {}): Promise<Verified> {
  const range = rangeOf(options.from, options.to);
  if (typeof range === 'string') throw new Error(range);
  const reader = createObjectReader(bucket());
  const others: ObjectReader[] = [];
  const openBucket = (name: string): LookedAt => {
    const other = createObjectReader(bucket(name));
    others.push(other);
    return { place: placeOf(bucket(name)), reader: other };
  };
  const { prefix = PREFIX, quarantines = false, read = false, routes = [] } = options;
  try {
    return await verify(
      { lanes: [lane], reader, openBucket, signal: never },
      { prefix, quarantinePrefix: 'quarantine/', quarantines, routes, place: placeOf(bucket()), range, read },
    );
  } finally {
    for (const one of [reader, ...others]) one.close();
  }
}

const found = ({ findings }: Verified) => findings.named.map(({ problem, key }) => [problem, key]);

test('objects that agree with their receipts, of others, or not committed yet are no findings', async () => {
  await store(3);
  await store(4, '2026/11/23/11');
  await (await seal(5)).put();
  await seal(6);
  s3.plant('raw/readme.txt', Buffer.from('by another program'));
  s3.plant('raw/_sink-aws-s3-check', Buffer.from('the probe of check: of no one'));
  s3.plant(`raw/2026/11/23/10/eventing-beef-1-0-0-${'0'.repeat(32)}.ndjson`, Buffer.from('of another sink'));
  s3.plant(`raw/2026/11/23/10/_manifest-${UID}-${'0'.repeat(32)}.json`, Buffer.from('{}'));
  const result = await verified({ read: true });
  expect(found(result)).toEqual([]);
  expect(result).toMatchObject({
    objects: 2,
    events: 7,
    underWay: 1,
    manifests: 1,
    ofOthers: 2,
    beforeReceipts: 0,
    read: 3,
  });
  expect(result.backlogEvents).toBe(11);
});

test('an object that is missing, changed, damaged, unknown or there twice is named', async () => {
  const [gone, changed, swapped, twice] = [await store(), await store(), await store(), await store()];
  s3.remove(gone.record.key);
  s3.plant(changed.record.key, Buffer.concat([changed.body, Buffer.from('x')]));
  const other = gzipSync(Buffer.from('{"id":"x","source":"s"}\n'.padEnd(swapped.record.bytes - 1, ' ').concat('\n')));
  s3.plant(swapped.record.key, Buffer.concat([other, Buffer.alloc(Math.max(0, swapped.body.length - other.length))]));
  const double = twice.record.key.replace(/[0-9a-f]{32}\.ndjson/, `${'f'.repeat(32)}.ndjson`);
  s3.plant(double, twice.body);
  const result = await verified();
  expect(found(result)).toHaveLength(5);
  expect(found(result)).toEqual(
    expect.arrayContaining([
      ['missing', gone.record.key],
      ['changed', changed.record.key],
      ['changed', swapped.record.key],
      ['doubled', double],
      ['unreceipted', double],
    ]),
  );
  expect(result).toMatchObject({ objects: 1, events: 3 });
});

test('--read finds content that differs from its receipt, bytes that cannot be decompressed, and events stored twice', async () => {
  const good = await store(3);
  const [garbled, shorter] = [await store(3), await store(3)];
  s3.plant(garbled.record.key, Buffer.from('not gzip'));
  s3.plant(shorter.record.key, gzipSync(Buffer.from(`${eventLine(90)}\n${eventLine(91)}\n`)));
  const again = await store(1, '2026/11/23/12', [eventLine(1)]);
  const result = await verified({ read: true });
  const problems = result.findings.named.filter(({ problem }) => problem !== 'changed');
  expect(problems).toEqual([
    { problem: 'damaged', key: garbled.record.key, detail: expect.stringMatching(/cannot be decompressed/) as string },
    { problem: 'damaged', key: shorter.record.key, detail: expect.stringMatching(/^count 2, not 3; bytes/) as string },
    {
      problem: 'repeated',
      key: again.record.key,
      detail: `the event with source "/verify" and id "1" is also in ${good.record.key}`,
    },
  ]);
});

test('a range covers only its partitions', async () => {
  const [nine, ten, day] = [await store(1, '2026/11/23/09'), await store(2), await store(3, '2026/11/22')];
  for (const { record } of [nine, ten, day]) s3.remove(record.key);
  expect(found(await verified({ from: '2026-11-23T10' }))).toEqual([['missing', ten.record.key]]);
  expect(found(await verified({ to: '2026-11-23' }))).toEqual([['missing', day.record.key]]);
  expect((await verified({ from: '2026-11-23', to: '2026-11-23T10' })).findings.counts.missing).toBe(1);
  expect((await verified()).findings.counts.missing).toBe(3);
});

test('objects older than the oldest receipt that is kept are not judged', async () => {
  const old = await store();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await store();
  await client.xtrim('{sink:0}:receipts', 'MAXLEN', 1);
  const result = await verified();
  expect(found(result)).toEqual([]);
  expect(result).toMatchObject({ objects: 1, beforeReceipts: 1 });
  expect(result.keptSinceMs).toBeGreaterThan(s3.object(old.record.key)?.lastModifiedMs ?? Infinity);
  // An object that is clearly younger than the oldest receipt must have one.
  const oldest = { ...(await Array.fromAsync(lane.receipts())).flat()[0]?.receipt, storedAtMs: Date.now() - 3_600_000 };
  await client.xtrim('{sink:0}:receipts', 'MAXLEN', 0);
  await client.xadd('{sink:0}:receipts', '*', 'v', '1', 'r', JSON.stringify(oldest));
  expect(found(await verified())).toEqual([['unreceipted', old.record.key]]);
});

test.each([
  ['raw/', ''],
  ['', 'raw/'],
  ['raw/', 'raw/deeper/'],
  ['raw/deeper/', 'raw/'],
  ['raw-', 'other-'],
])('nothing is missing after prefix was changed from %j to %j', async (before, after) => {
  const hour = '2026/11/23/10';
  const [old, sealedBefore] = [await seal(3, hour, undefined, before), await seal(4, hour, undefined, before)];
  const young = await seal(5, hour, undefined, after);
  for (const stored of [old, sealedBefore, young]) await stored.commit(await stored.put());
  s3.plant('readme.txt', Buffer.from('by another program'));
  s3.plant(`${before}readme.txt`, Buffer.from('by another program'));
  for (const options of [{}, { read: true }, { from: '2026-11-23', to: '2026-11-24' }]) {
    const result = await verified({ prefix: after, ...options });
    expect(found(result)).toEqual([]);
    expect(result).toMatchObject({ objects: 3, events: 12, elsewhere: {}, placeUnknown: 0 });
  }
  const foreign = [...new Set(['readme.txt', `${before}readme.txt`])];
  const listed = foreign.filter((key) => [before, after].some((prefix) => key.startsWith(prefix)));
  expect((await verified({ prefix: after })).ofOthers).toBe(listed.length);
  expect(found(await verified({ prefix: after, from: '2099-01-01' }))).toEqual([]);
  s3.remove(old.record.key);
  expect(found(await verified({ prefix: after }))).toEqual([['missing', old.record.key]]);
});

test('receipts of another bucket are counted and not judged; those of an earlier release have no place', async () => {
  const [here, away, unknown, copied] = [await seal(), await seal(), await seal(), await seal()];
  await here.commit(await here.put());
  await away.commit('"e"', 'archive at AWS');
  await copied.put();
  await copied.commit('"e"', 'archive at AWS');
  await unknown.commit('"e"', '');
  const result = await verified();
  expect(found(result)).toEqual([]);
  expect(result).toMatchObject({ objects: 1, elsewhere: { 'archive at AWS': 2 }, copies: 1, placeUnknown: 1 });
  const text = reportText(result, 's3://events/raw/');
  expect(text).toContain('2 objects not judged: stored in another place, archive at AWS');
  expect(text).toContain('1 object not here, place unknown');
  // The bucket has what an earlier release stored here.
  await unknown.put();
  expect(await verified()).toMatchObject({ placeUnknown: 0, findings: { counts: { missing: 0, changed: 1 } } });
  s3.remove(here.record.key);
  s3.remove(unknown.record.key);
  expect(found(await verified())).toEqual([['missing', here.record.key]]);
  expect(await lane.places()).toEqual(
    new Map([
      ['1', placeOf(bucket())],
      ['2', 'archive at AWS'],
    ]),
  );
});

const QUARANTINED: Destination = { route: '_quarantine', path: '2026/11/23/10' };

describe('quarantine objects', () => {
  test('evidence that is there twice, and lines that are none, are found', async () => {
    const [twice, other] = [await storeRouted(QUARANTINED, { lines: [evidence('a'), '{}'] }), evidence('b')];
    const again = await storeRouted(QUARANTINED, { lines: [other, evidence('a'), other] });
    const { named } = (await verified({ read: true })).findings;
    expect(named.map(({ problem, key, detail }) => `${problem} ${key} ${detail}`).toSorted()).toEqual(
      [
        `damaged ${twice.record.key} 1 lines are no evidence`,
        `repeated ${again.record.key} the evidence with id "a" is also in ${twice.record.key}`,
        `repeated ${again.record.key} the evidence with id "b" is there twice`,
      ].toSorted(),
    );
  });

  const modes: { read?: boolean; from?: string; to?: string; quarantines?: boolean; prefix?: string }[] = [
    {},
    { read: true },
    { from: '2026-11-23', to: '2026-11-24' },
    { quarantines: true },
    { prefix: '' },
  ];
  test.each(modes)('are ours, and their lines are no events: %j', async (options) => {
    await store(3);
    await storeRouted(QUARANTINED, { lines: [evidence(), evidence()] });
    s3.plant(`quarantine/2026/11/23/10/_manifest-${UID}-${'0'.repeat(32)}.json`, Buffer.from('{}'));
    const marker = { id: '019acd2e-0f4b-7000-8c1e-5a0f3e1f9d11', attempt: 1, state: 'stored' } as const;
    s3.plant(retryMarkerKey('quarantine/', marker), Buffer.from('{}'));
    const result = await verified(options);
    expect(found(result)).toEqual([]);
    expect(result).toMatchObject({ objects: 1, events: 3, quarantineObjects: 1, quarantineLines: 2 });
    expect(result).toMatchObject({ ofOthers: 0, manifests: 1, retryMarkers: options.to === undefined ? 1 : 0 });
    expect(reportText(result, 'here')).toContain('1 quarantine object with 2 lines');
  });

  test.each([{}, { read: true }])('are missed, and compared with their receipt: %j', async (options) => {
    const [gone, changed] = [await storeRouted(QUARANTINED), await storeRouted(QUARANTINED)];
    await storeRouted(QUARANTINED, { more: { objectBytes: null, checksum: null, etag: '' } });
    s3.remove(gone.record.key);
    s3.plant(changed.record.key, Buffer.concat([changed.body, changed.body]));
    const problems = found(await verified(options)).filter(([problem]) => problem !== 'damaged');
    const repeated = 'read' in options ? [['repeated', changed.record.key]] : [];
    expect(problems.toSorted()).toEqual([['changed', changed.record.key], ['missing', gone.record.key], ...repeated]);
  });

  test('without a receipt are found, or under way, where they can be', async () => {
    const key = `quarantine/2026/11/23/10/eventing-${UID}-1-0-0-${'0'.repeat(32)}.ndjson`;
    s3.plant(key, Buffer.from('of this lane'));
    expect(found(await verified())).toEqual([]);
    expect(found(await verified({ quarantines: true }))).toEqual([['unreceipted', key]]);
    // Where the listing shows it anyway.
    expect(found(await verified({ prefix: '' }))).toEqual([['unreceipted', key]]);
  });
});

describe('receipts that name another bucket', () => {
  const AUDIT: Destination = { route: 'audit', path: 'tenant=a' };
  const options = { name: 'audit', prefix: 'a/', lines: [eventLine(1_001), eventLine(1_002)] };

  test.each([{}, { read: true }])('it is looked at too: %j', async (how) => {
    await store(3);
    await storeRouted(AUDIT, options);
    await storeRouted({ ...AUDIT, path: '2026/11/23/11' }, { ...options, lines: [eventLine(1_003)] });
    const result = await verified(how);
    expect(found(result)).toEqual([]);
    expect(result).toMatchObject({ objects: 3, events: 6, elsewhere: {}, copies: 0, unreadable: {} });
    expect(Object.values(result.otherBuckets)).toEqual([2]);
    if (how.read === true) expect(result.read).toBe(3);
  });

  test('what is missing there is named, with the bucket', async () => {
    const { record } = await storeRouted(AUDIT, options);
    s3.clear();
    const result = await verified();
    expect(result.findings.named).toMatchObject([
      { problem: 'missing', key: record.key, detail: expect.stringContaining('audit at 127.0.0.1') as string },
    ]);
  });

  test('a path that is no slot is in a range by when its events were accepted', async () => {
    await storeRouted(AUDIT, options);
    const acceptedDay = new Date(1_795_430_000_000).toISOString().slice(0, 10);
    expect(await verified({ from: acceptedDay })).toMatchObject({ objects: 1, findings: { total: 0 } });
    expect(await verified({ to: acceptedDay })).toMatchObject({ objects: 0, findings: { total: 0 } });
  });

  test('one that cannot be read any more is said to be, and not judged', async () => {
    await store(3);
    await storeRouted(AUDIT, options);
    const Action = ['s3:ListBucket', 's3:PutObject'];
    s3.setPermissions({ policy: { Statement: [{ Effect: 'Allow', Action, Resource: 'arn:aws:s3:::events' }] } });
    const result = await verified();
    expect(found(result)).toEqual([]);
    expect(Object.values(result.elsewhere)).toEqual([1]);
    expect(Object.values(result.unreadable)).toEqual([expect.stringContaining('AccessDenied')]);
    expect(reportText(result, 'here')).toMatch(/audit at .* was not looked at: listing objects/);
  });
});

describe('any path', () => {
  async function putIntoAudit(key: string): Promise<void> {
    const store = createObjectStore(bucket('audit'), { ifNoneMatch: 'auto' });
    const body = Buffer.from('x');
    const object = { key, body, objectBytes: 1, crc32: crc32(body), contentType: 'application/x-ndjson' };
    await store.put({ ...object, contentHash: '0', segmentId: 's' }, never);
    store.close();
  }

  const unreceipted = (folder: string, n = 1) => `${folder}/eventing-${UID}-${n}-0-0-${'0'.repeat(32)}.ndjson`;

  test('a listed object is judged, whatever its folder is, once in the bucket of many routes', async () => {
    for (const path of ['tenant=a', 'late/2026/11/23/10', 'other/year=2026/month=11', '2026/11']) {
      await storeRouted({ route: 'orders', path }, { prefix: PREFIX, lines: [eventLine(events++)] });
    }
    await storeRouted({ route: 'deep', path: 'a/b' }, { prefix: 'raw/deep/', lines: [eventLine(events++)] });
    const routes = [PREFIX, 'raw/deep/', 'raw/deep/er/'].map((prefix) => ({ bucket: 'events', prefix }));
    s3.plant(unreceipted('raw/deep/tenant=b'), Buffer.from('x'));
    s3.plant(unreceipted('raw/tenant=b', 2), Buffer.from('x'));
    s3.plant(`raw/tenant=a/_manifest-${UID}-${'0'.repeat(32)}.json`, Buffer.from('{}'));
    s3.plant(unreceipted('raw/tenant=b').replace(UID, 'beef'), Buffer.from('of another sink'));
    const before = s3.requests().filter(({ operation }) => operation === 'ListObjectsV2').length;
    const result = await verified({ routes, read: true });
    const lists = s3.requests().filter(({ operation }) => operation === 'ListObjectsV2').length - before;
    expect(found(result).filter(([problem]) => problem === 'unreceipted')).toEqual([
      ['unreceipted', unreceipted('raw/deep/tenant=b')],
      ['unreceipted', unreceipted('raw/tenant=b', 2)],
    ]);
    expect(result).toMatchObject({ objects: 5, events: 5, manifests: 1, ofOthers: 1 });
    expect(lists).toBe(2);
  });

  test('buckets and prefixes of routes are looked at without any receipt', async () => {
    const key = unreceipted('a/tenant=b');
    await putIntoAudit(key);
    expect((await verified()).findings.total).toBe(0);
    const routes = [{ bucket: 'audit', prefix: 'a/' }];
    expect(found(await verified({ routes }))).toEqual([['unreceipted', key]]);
  });

  test('a range means acceptance where the path does not say it: time of events, another zone, no time', async () => {
    const at = (text: string) => Date.parse(text);
    // A slot of event time: accepted two days later. A slot of another zone: accepted in the hour before.
    const stored = [
      ['2026/11/21/10', at('2026-11-23T10:30Z')],
      ['2026/11/23/11', at('2026-11-23T10:59Z')],
      ['2026/11/23/10', at('2026-11-22T10:30Z')],
    ] as const;
    const keys: string[] = [];
    for (const [path, acceptedAtMs] of stored) {
      const segment = await seal(1, path, undefined, PREFIX, acceptedAtMs);
      await segment.commit(await segment.put());
      keys.push(segment.record.key);
    }
    expect(await verified({ from: '2026-11-23T10', to: '2026-11-23T11' })).toMatchObject({ objects: 2 });
    expect(await verified({ from: '2026-11-23T11' })).toMatchObject({ objects: 0, findings: { total: 0 } });
    expect(await verified({ to: '2026-11-23' })).toMatchObject({ objects: 1, findings: { total: 0 } });
    for (const key of keys) s3.remove(key);
    expect(found(await verified({ from: '2026-11-23T10', to: '2026-11-23T11' })).toSorted()).toEqual(
      keys
        .slice(0, 2)
        .map((key) => ['missing', key])
        .toSorted(),
    );
  });

  test('two objects that begin with one event are found in any two routes and buckets', async () => {
    const { record } = await store(1);
    const twin = record.key
      .replace('raw/2026/11/23/10', 'a/tenant=b')
      .replace(/[0-9a-f]{32}\.ndjson/, `${'f'.repeat(32)}.ndjson`);
    await putIntoAudit(twin);
    const routes = [{ bucket: 'audit', prefix: 'a/' }];
    expect(found(await verified({ routes })).toSorted()).toEqual([
      ['doubled', twin],
      ['unreceipted', twin],
    ]);
  });

  test('what a retired route stored is known by its receipts', async () => {
    const options = { name: 'audit', prefix: 'a/', lines: [eventLine(events++)] };
    const { record } = await storeRouted({ route: 'gone', path: 'tenant=a' }, options);
    expect(await verified({ routes: [] })).toMatchObject({ objects: 1, findings: { total: 0 } });
    s3.clear();
    expect(found(await verified({ routes: [] }))).toEqual([['missing', record.key]]);
  });
});

test('spilled events are not in the bucket yet', async () => {
  const { record } = await seal(5);
  await seal(2);
  expect(await batcher.release(record, 'spool-1')).toBe('released');
  const result = await verified();
  expect(result).toMatchObject({ backlogEvents: 7, spilledEvents: 5 });
  expect(reportText(result, 'here')).toContain('7 events accepted and not in the bucket yet, 5 of them in spool files');
});

test('an event that one object holds twice is named once, as an event', async () => {
  const { record } = await store(2, '2026/11/23/10', [eventLine(7), eventLine(7)]);
  const result = await verified({ read: true });
  expect(result.findings.named).toEqual([
    { problem: 'repeated', key: record.key, detail: 'the event with source "/verify" and id "7" is there twice' },
  ]);
  expect(reportText(result, 'here')).toContain('\n1 event: repeated: is stored more than once\n');
});

test('without the right to list, the remedy names it; a receipt of a newer release ends the audit', async () => {
  await store();
  s3.setPermissions('put_only');
  await expect(verified()).rejects.toMatchObject({
    code: 'access_denied',
    remedy: expect.stringContaining('s3:ListBucket') as string,
  });
  s3.setPermissions('all');
  await client.xadd('{sink:0}:receipts', '*', 'v', '3', 'r', '{"v":3}');
  await expect(verified()).rejects.toMatchObject({ code: 'receipt_version' });
});

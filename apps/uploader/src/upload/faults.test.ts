import { IoredisPort, UploaderLane } from '@sink/lane';
import { createObjectStore } from '@sink/objects';
import { SpoolDirectory } from '@sink/spool';
import { eventually, type S3Effect } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { ObjectBuilder } from './object-builder.ts';
import { SpoolFiles } from './spool-files.ts';
import { NOTHING, type SealedSegment, SINK, worldOfFile } from '../test/uploader-world.ts';
import { uploadSegment, type SegmentUploadPorts } from './upload-segment.ts';

const world = await worldOfFile();
const PUT = { operation: 'PutObject' } as const;

async function stored({ record, object }: SealedSegment, timeoutMs = 15_000): Promise<void> {
  await eventually(async () => expect(await world.left()).toEqual(NOTHING), { timeoutMs });
  expect(world.s3.object(record.key)?.body.equals(object)).toBe(true);
}

test('what waits long after a failure is tried soon once others succeed', async () => {
  const denied = { kind: 'error', status: 403, code: 'AccessDenied' } as const;
  world.s3.addFault({ match: { operation: 'PutObject' }, effect: denied, times: 1 });
  const uploader = await world.startUploader({ times: { retry: { baseMs: 60_000, capMs: 60_000, slowMs: 60_000 } } });
  const first = await world.sealAndQueue();
  await eventually(async () => expect(await uploader.metric('sink_upload_retries_total')).toBe(1));
  await world.sealAndQueue({ chunks: [['{"id":"second"}']] });
  await eventually(() => expect(world.s3.object(first.record.key)).toBeDefined());
});

describe('S3 fails', () => {
  const faults: Record<string, { effect: S3Effect; kind: string; result: 'stored' | 'existed' }> = {
    '500 InternalError': {
      effect: { kind: 'error', status: 500, code: 'InternalError' },
      ...{ kind: 'store', result: 'stored' },
    },
    '503 SlowDown': { effect: { kind: 'error', status: 503, code: 'SlowDown' }, kind: 'throttled', result: 'stored' },
    'reset before anything happened': { effect: { kind: 'reset' }, kind: 'store', result: 'stored' },
    'reset after the object was stored': { effect: { kind: 'reset', applied: true }, kind: 'store', result: 'existed' },
    '500 although the object was stored': {
      effect: { kind: 'error', status: 500, code: 'InternalError', applied: true },
      ...{ kind: 'store', result: 'existed' },
    },
    'damage on the way': { effect: { kind: 'damage' }, kind: 'store', result: 'stored' },
    'a conflict with another PUT': {
      effect: { kind: 'error', status: 409, code: 'ConditionalRequestConflict' },
      ...{ kind: 'store', result: 'stored' },
    },
  };
  for (const [name, { effect, kind, result }] of Object.entries(faults)) {
    test(`${name}: it is tried again until it succeeds`, async () => {
      world.s3.addFault({ match: PUT, effect, times: 3 });
      // Where the object stood after the first try, the others find it (412) before the fault can hit.
      const uploader = await world.startUploader();
      const segment = await world.sealAndQueue();
      await stored(segment);
      expect(await uploader.metric('sink_uploads_total', { result })).toBe(1);
      expect(await uploader.metric('sink_upload_retries_total', { kind })).toBeGreaterThanOrEqual(1);
      expect(uploader.problems()).toEqual({});
      expect(uploader.log()).toContain('uploads succeed again');
    });
  }

  test('a PUT that is never answered ends at its deadline and is tried again', async () => {
    world.s3.addFault({ match: PUT, effect: { kind: 'hang', applied: true }, times: 1 });
    const uploader = await world.startUploader({ config: { upload_timeout: '1s' } });
    const segment = await world.sealAndQueue();
    await stored(segment);
    expect(await uploader.metric('sink_uploads_total', { result: 'existed' })).toBe(1);
    expect(uploader.log()).toContain('"code":"timeout"');
  });

  test('an outage holds the whole queue, and when it ends no job waits for its own next try', async () => {
    const outage = world.s3.addFault({
      match: PUT,
      effect: { kind: 'error', status: 503, code: 'ServiceUnavailable' },
    });
    const times = { retry: { baseMs: 10, capMs: 60_000, slowMs: 60_000 } };
    const uploader = await world.startUploader({ times });
    const segments = await Promise.all(Array.from({ length: 20 }, () => world.sealAndQueue()));
    await eventually(async () => expect(await uploader.metric('sink_upload_retries_total')).toBeGreaterThan(60), {
      timeoutMs: 15_000,
    });
    expect(uploader.log()).toContain('uploads are on hold');
    world.s3.removeFault(outage);
    for (const segment of segments) await stored(segment);
  });
});

describe('a person is needed', () => {
  test('access denied: red with the remedy, nothing is given up, green with the next success', async () => {
    world.s3.setPermissions('none');
    const uploader = await world.startUploader();
    const segment = await world.sealAndQueue();
    await eventually(() => expect(uploader.problems()['bucket']).toMatch(/bucket=events.*s3:PutObject/i));
    expect(uploader.log()).toMatch(/"level":"error".*"kind":"operator".*"remedy":/);
    expect(await world.left()).toMatchObject({ segments: 1, jobs: 1 });
    await eventually(async () => expect(await uploader.metric('sink_uploads_parked')).toBe(1));
    world.s3.setPermissions('all');
    await stored(segment);
    await eventually(async () => expect(await uploader.metric('sink_uploads_parked')).toBe(0));
    expect(uploader.problems()).toEqual({});
    expect(await uploader.metric('sink_upload_retries_total', { kind: 'operator' })).toBeGreaterThanOrEqual(1);
  });

  test('the bucket is missing: red, and green when it is created', async () => {
    world.s3.setBucketExists(false);
    const uploader = await world.startUploader();
    const segment = await world.sealAndQueue();
    await eventually(() => expect(uploader.problems()['bucket']).toContain('bucket=events'));
    world.s3.setBucketExists(true);
    await stored(segment);
    expect(uploader.problems()).toEqual({});
  });

  test('the log has one line for many failures of a kind', async () => {
    world.s3.setPermissions('none');
    const uploader = await world.startUploader();
    await Promise.all(Array.from({ length: 10 }, () => world.sealAndQueue()));
    await eventually(async () => expect(await uploader.metric('sink_upload_retries_total')).toBeGreaterThan(30), {
      timeoutMs: 20_000,
    });
    expect(uploader.log().match(/"kind":"operator".*the uploader retries it/g)).toHaveLength(1);
  });

  test('the key is taken by other content: it is not overwritten, others continue, and its upload succeeds later', async () => {
    const taken = await world.seal();
    world.s3.plant(taken.record.key, Buffer.from('not ours\n'));
    await world.queue.add(0, taken.record.id);
    const uploader = await world.startUploader();
    await eventually(() => expect(uploader.problems()['segments']).toContain(taken.record.key));
    const other = await world.sealAndQueue();
    await eventually(() => expect(world.s3.object(other.record.key)).toBeDefined());
    expect(world.s3.object(taken.record.key)?.body.toString()).toBe('not ours\n');
    expect(uploader.problems()['bucket']).toBeUndefined();
    await eventually(async () => expect(await uploader.metric('sink_uploads_parked')).toBe(1));
    world.s3.remove(taken.record.key);
    await stored(taken);
    expect(uploader.problems()).toEqual({});
  });

  test('a key that may only PutObject needs no more, also when an earlier try had come through', async () => {
    world.s3.setPermissions('put_only');
    world.s3.addFault({ match: PUT, effect: { kind: 'reset', applied: true }, times: 1 });
    const uploader = await world.startUploader();
    const segment = await world.sealAndQueue();
    await stored(segment);
    expect(await uploader.metric('sink_uploads_total', { result: 'existed' })).toBe(1);
  });
});

describe('doing it twice (invariant 5)', () => {
  function ports(): SegmentUploadPorts {
    const config = world.config();
    return {
      lane: new UploaderLane(new IoredisPort(world.admin), SINK, 0),
      storeOf: () => ({ store: createObjectStore(config.bucket, { ifNoneMatch: 'auto' }), place: 'events' }),
      spool: new SpoolFiles(new SpoolDirectory(world.spoolDir), () => undefined),
      builder: new ObjectBuilder({ directory: `${world.dataDir}/rebuilt` }),
      wallMs: Date.now,
      receiptsMax: 100,
      manifests: false,
    };
  }

  test('two uploaders with one segment write one object and commit it once', async () => {
    const segment = await world.seal();
    const signal = new AbortController().signal;
    const results = await Promise.all([1, 2, 3].map(() => uploadSegment(segment.record.id, ports(), signal)));
    expect(results.map(({ kind }) => kind).sort()).toEqual(['committed', 'gone', 'gone']);
    await stored(segment);
    expect(world.s3.writes()).toHaveLength(1);
    expect(await world.admin.xlen(world.lane().keys.receipts)).toBe(1);
    expect(await uploadSegment(segment.record.id, ports(), signal)).toEqual({ kind: 'gone' });
  });

  test('a job whose lock is lost ends its PUT, and the segment is stored once', async () => {
    world.s3.addFault({ match: PUT, effect: { kind: 'hang' }, times: 1 });
    const uploader = await world.startUploader();
    const segment = await world.sealAndQueue();
    await eventually(() => expect(world.s3.requests()).toHaveLength(1));
    await world.admin.del(`{${SINK}:uploads}:jobs:${segment.record.id}:lock`);
    await stored(segment);
    expect(await uploader.metric('sink_upload_retries_total', { kind: 'aborted' })).toBe(1);
    expect(world.s3.writes()).toHaveLength(1);
  });

  test('an upload ends as well when its segment was committed while it was under way', async () => {
    const slow = world.s3.addFault({ match: PUT, effect: { kind: 'slow', delayMs: 2_000 }, times: 1 });
    const uploader = await world.startUploader();
    const segment = await world.sealAndQueue();
    await eventually(() => world.s3.faultHits(slow) === 1);
    await uploadSegment(segment.record.id, ports(), new AbortController().signal);
    await stored(segment);
    expect(await uploader.metric('sink_uploads_total', { result: 'gone' })).toBe(1);
    expect(await uploader.metric('sink_uploaded_events_total')).toBe(0);
  });
});

describe('Redis', () => {
  test('is restarted in the middle of uploads: they continue automatically', async () => {
    world.s3.addFault({ match: PUT, effect: { kind: 'slow', delayMs: 2_000 } });
    const uploader = await world.startUploader();
    const segments = await Promise.all(Array.from({ length: 12 }, () => world.sealAndQueue()));
    await eventually(() => world.queue.counts().then(({ active }) => active === 8));
    await world.redis.restart();
    for (const segment of segments) await stored(segment, 20_000);
    expect(uploader.failures).toEqual([]);
  });

  test('is at maxmemory by foreign keys: uploads that run are committed, and all continue when there is room', async () => {
    const segments = await Promise.all(Array.from({ length: 12 }, () => world.sealAndQueue()));
    const without = await world.seal();
    await world.admin.config('SET', 'maxmemory', '32mb');
    const fill = async (bytes: number): Promise<void> => {
      for (;;) await world.admin.rpush('foreign', 'x'.repeat(bytes));
    };
    await expect(fill(1_000_000)).rejects.toThrow(/OOM/);
    await expect(fill(1_000)).rejects.toThrow(/OOM/);
    const uploader = await world.startUploader({ config: { receipts_max: 1_000 } });
    await eventually(() => expect(uploader.log()).toMatch(/OOM/));
    // Time enough for thousands of errors, had they not to wait.
    await eventually(() => expect(uploader.log().match(/OOM/g)?.length).toBeGreaterThan(6));
    expect(uploader.log().split('\n').length).toBeLessThan(200);
    expect(uploader.failures).toEqual([]);
    await world.admin.del('foreign');
    await world.admin.config('SET', 'maxmemory', '256mb');
    for (const segment of [...segments, without]) await stored(segment, 20_000);
  });

  test('at maxmemory a commit still goes through', async () => {
    world.s3.addFault({ match: PUT, effect: { kind: 'slow', delayMs: 2_000 } });
    // Longer than the PUT takes: at maxmemory no lock can be renewed.
    await world.startUploader({ times: { lockMs: 20_000 } });
    const segment = await world.sealAndQueue();
    await eventually(() => world.queue.counts().then(({ active }) => active === 1));
    await world.admin.config('SET', 'maxmemory', '1');
    await eventually(async () => expect(await world.lane().hasRecord(segment.record.id)).toBe(false));
    await world.admin.config('SET', 'maxmemory', '256mb');
    await stored(segment);
  });
});

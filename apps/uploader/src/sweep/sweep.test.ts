import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { NOTHING, SINK, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();
const quiet = async (): Promise<void> => expect(await world.left()).toEqual(NOTHING);

describe('the sweep (invariant 7)', () => {
  test('gives sealed segments whose job was lost their job again, page by page', async () => {
    const segments = await Promise.all(
      Array.from({ length: 250 }, () => world.seal({ chunks: [['{}']], file: false })),
    );
    const uploader = await world.startUploader();
    await eventually(quiet, { timeoutMs: 20_000 });
    expect(world.s3.objects()).toHaveLength(segments.length);
    expect(await uploader.metric('sink_upload_jobs_restored_total')).toBeGreaterThanOrEqual(segments.length);
  });

  test('also while it runs', async () => {
    const uploader = await world.startUploader();
    await eventually(() => uploader.metric('sink_segments_sealed_waiting').then((waiting) => waiting === 0));
    await world.seal();
    await eventually(quiet);
  });

  test('measures how long the oldest sealed segment waits, in Redis and in a spool file', async () => {
    world.s3.setPermissions('none');
    await world.sealAndQueue();
    const uploader = await world.startUploader();
    const age = (): Promise<number> => uploader.metric('sink_oldest_sealed_age_seconds', { lane: '0' });
    await eventually(() => age().then((seconds) => seconds > 0.5));
    expect(await uploader.metric('sink_scheduled_interval_seconds')).toBe(60);
    world.s3.setPermissions('all');
    await eventually(quiet);
    await eventually(() => age().then((seconds) => seconds === 0));
    world.s3.setPermissions('none');
    await world.spill();
    await eventually(() => age().then((seconds) => seconds > 0.5));
  });

  test('revives failed jobs', async () => {
    const { record } = await world.sealAndQueue();
    await world.admin.lrem(`{${SINK}:uploads}:jobs:wait`, 0, record.id);
    await world.admin.zadd(`{${SINK}:uploads}:jobs:failed`, Date.now(), record.id);
    await world.startUploader();
    await eventually(quiet);
    expect(world.s3.object(record.key)).toBeDefined();
  });

  test('ends the pauses of the uploader before, because a restart may have removed their cause', async () => {
    world.s3.addFault({ effect: { kind: 'error', status: 500, code: 'InternalError' } });
    const times = { retry: { baseMs: 600_000, capMs: 600_000, slowMs: 600_000 } };
    const first = await world.startUploader({ times });
    const { record } = await world.sealAndQueue();
    await eventually(() => world.queue.counts().then(({ delayed }) => delayed === 1));
    await first.stop();
    await world.queue.holdFor(600_000);
    world.s3.clear();
    await world.startUploader({ times });
    await eventually(quiet);
    expect(world.s3.object(record.key)).toBeDefined();
  });

  test('gives a segment its own job again where a foreign one stood under its id', async () => {
    const { record } = await world.sealAndQueue();
    await world.admin.hset(`{${SINK}:uploads}:jobs:${record.id}`, 'data', 'nonsense');
    await world.startUploader();
    await eventually(quiet);
    expect(world.s3.object(record.key)).toBeDefined();
  });

  test('queues nothing whose seal is not as durable as asked for (invariant 4)', async () => {
    const { record } = await world.seal();
    const uploader = await world.startUploader({ config: { replicas: 1 } });
    await eventually(() => expect(uploader.log()).toContain('NOTDURABLE'));
    expect(await world.queue.has([record.id])).toEqual([false]);
    expect(uploader.problems()['sweep']).toContain('durability');
    expect(world.s3.requests()).toEqual([]);
  });
});

describe('stopping', () => {
  test('uploads what is sealed and queued, also what waits for its next try', async () => {
    const fault = world.s3.addFault({ effect: { kind: 'error', status: 500, code: 'InternalError' } });
    const times = { retry: { baseMs: 600_000, capMs: 600_000, slowMs: 600_000 }, sweepEveryMs: 60_000 };
    const uploader = await world.startUploader({ times });
    const queued = await world.sealAndQueue();
    await eventually(() => world.queue.counts().then(({ delayed }) => delayed === 1));
    const unqueued = await world.seal();
    world.s3.removeFault(fault);
    await uploader.stop();
    expect(await world.left()).toEqual(NOTHING);
    for (const { record } of [queued, unqueued]) expect(world.s3.object(record.key)).toBeDefined();
  });

  test('ends in time when S3 is away, and leaves everything for the next start', async () => {
    world.s3.addFault({ effect: { kind: 'hang' }, times: 3 });
    const uploader = await world.startUploader({ config: { stop_grace: '2s' } });
    const segments = await Promise.all([1, 2, 3].map(() => world.sealAndQueue()));
    await eventually(() => expect(world.s3.requests()).toHaveLength(3));
    const startedMs = performance.now();
    await uploader.stop();
    expect(performance.now() - startedMs).toBeLessThan(10_000); // a PUT may hang for five minutes
    expect(await world.left()).toMatchObject({ segments: 3, jobs: 3 });
    await world.startUploader();
    await eventually(quiet);
    expect(world.s3.objects()).toHaveLength(segments.length);
  });

  test('does not wait for what only a person can mend', async () => {
    world.s3.setPermissions('none');
    const uploader = await world.startUploader({ config: { stop_grace: '20s' } });
    await world.sealAndQueue();
    await eventually(() => expect(uploader.problems()['bucket']).toBeDefined());
    const startedMs = performance.now();
    await uploader.stop();
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(await world.left()).toMatchObject({ segments: 1, jobs: 1 });
  });

  test('ends without Redis too', async () => {
    const uploader = await world.startUploader({ config: { stop_grace: '2s' } });
    await world.redis.kill();
    try {
      await uploader.stop();
    } finally {
      await world.redis.restart();
    }
    expect(uploader.failures).toEqual([]);
  });
});

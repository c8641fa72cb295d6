import { eventually } from '@sink/testing';
import { expect, test } from 'vitest';
import { NOTHING, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();

const active = async (): Promise<number> => (await world.queue.counts()).active;

test('upload_concurrency changes while uploads run', async () => {
  world.liveText = 'upload_concurrency: 1';
  const uploader = await world.startUploader();
  world.s3.addFault({ match: { operation: 'PutObject' }, effect: { kind: 'slow', delayMs: 1_500 } });
  for (let segment = 0; segment < 6; segment++) await world.sealAndQueue();
  await eventually(async () => expect(await active()).toBe(1));
  world.liveText = 'upload_concurrency: 8';
  expect(uploader.reload()).toBe('applied');
  // The first one ends, and all others run at once.
  await eventually(async () => expect(await active()).toBeGreaterThan(3));
  await eventually(async () => expect(await world.left()).toEqual(NOTHING));
});

test('the next attempt has the upload_timeout in force', async () => {
  world.liveText = 'upload_timeout: 1s';
  const uploader = await world.startUploader();
  world.s3.addFault({ match: { operation: 'PutObject' }, effect: { kind: 'slow', delayMs: 1_500 } });
  await world.sealAndQueue();
  await eventually(async () => expect(await uploader.metric('sink_upload_retries_total')).toBeGreaterThan(0));
  expect((await world.left()).segments).toBe(1);
  world.liveText = 'upload_timeout: 1m';
  expect(uploader.reload()).toBe('applied');
  await eventually(async () => expect(await world.left()).toEqual(NOTHING));
});

test('the scheduled_interval that alerts are compared with is the one in force', async () => {
  world.liveText = 'scheduled_interval: 60';
  const uploader = await world.startUploader();
  const interval = (): Promise<number> => uploader.metric('sink_scheduled_interval_seconds');
  await eventually(async () => expect(await interval()).toBe(60));
  world.liveText = 'scheduled_interval: 5';
  expect(uploader.reload()).toBe('applied');
  await eventually(async () => expect(await interval()).toBe(5));
});

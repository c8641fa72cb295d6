import { afterAll, beforeAll, expect, test } from 'vitest';
import { LaneAccess } from '../sink/lane-access.ts';
import { SinkProcesses } from '../sink/processes.ts';
import { eventLines, preparedChunks } from './chunks.ts';
import { drainRun } from './drain-run.ts';

const EVENTS_PER_CHUNK = 100;
const chunks = preparedChunks(eventLines(), EVENTS_PER_CHUNK);
let sink: SinkProcesses;
let lane: LaneAccess;

beforeAll(async () => {
  const settings = { SINK_COMPRESSION: 'zstd', SINK_FLUSH_SIZE: '10000' };
  sink = await SinkProcesses.start({ profileDirectory: null, settings });
  lane = await LaneAccess.connect(sink.redisUrl);
});
afterAll(async () => {
  lane.close();
  await sink.stop();
});

// drainRun throws when the objects hold other than as many events.
test('a backlog that was filled while the batcher stood still is in objects afterwards', async () => {
  const what = { title: '20k', backlogEvents: 20_000, eventsPerChunk: EVENTS_PER_CHUNK, backlogs: 1 };
  const run = await drainRun(sink, lane, what, chunks);
  expect(run).toMatchObject({ events: 20_000, objects: 2 });
  expect(run.batcherSeconds).toBeGreaterThan(0);
});

test('small backlogs one after the other fill objects together', async () => {
  const what = { title: '1k at a time', backlogEvents: 1_000, eventsPerChunk: EVENTS_PER_CHUNK, backlogs: 20 };
  const run = await drainRun(sink, lane, what, chunks);
  expect(run).toMatchObject({ events: 20_000, objects: 2, batcherSeconds: null });
  expect(run.batcherCpuSeconds).toBeGreaterThan(0);
});

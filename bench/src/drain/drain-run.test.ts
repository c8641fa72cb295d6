import { afterAll, beforeAll, expect, test } from 'vitest';
import { LaneAccess } from '../sink/lane-access.ts';
import { SinkProcesses } from '../sink/processes.ts';
import { EVENTS_PER_CHUNK, eventLines, preparedChunks } from './chunks.ts';
import { SETTINGS } from './drain.ts';
import { drainRun } from './drain-run.ts';

const chunks = preparedChunks(eventLines());
const CASE = { eventsPerChunk: EVENTS_PER_CHUNK, batcherPaused: true };
let sink: SinkProcesses;
let lane: LaneAccess;

beforeAll(async () => {
  // No file is closed by its interval: all files are full.
  const settings = { ...SETTINGS, SINK_COMPRESSION: 'zstd', SINK_FLUSH_SIZE: '10000' };
  sink = await SinkProcesses.start({ profileDirectory: null, settings });
  lane = await LaneAccess.connect(sink.redisUrl);
});
afterAll(async () => {
  lane.close();
  await sink.stop();
});

// drainRun throws when the objects contain another number of events.
test('backlogs that were filled while the batcher was paused are in objects afterwards', async () => {
  const what = { ...CASE, title: '10k', backlogEvents: 10_000, backlogs: 2 };
  const run = await drainRun(sink, lane, what, chunks);
  expect(run).toMatchObject({ events: 20_000, objects: 2 });
  expect(run.batcherSeconds).toBeGreaterThan(0);
});

test('small backlogs one after the other fill objects together', async () => {
  const what = { ...CASE, title: '1k at a time', backlogEvents: 1_000, backlogs: 20, batcherPaused: false };
  const run = await drainRun(sink, lane, what, chunks);
  expect(run).toMatchObject({ events: 20_000, objects: 2, batcherSeconds: null });
  expect(run.batcherCpuSeconds).toBeGreaterThan(0);
});

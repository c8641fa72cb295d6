import { expect, test } from 'vitest';
import { AutocannonLoad } from '../load/autocannon.ts';
import type { BenchContext } from '../scenario.ts';
import { SinkProcesses } from '../sink/processes.ts';
import { memoryProblems, summarise } from './summary.ts';
import { throughputRuns } from './throughput.ts';

test('a short run of the whole sink stores as many events as it acknowledged, within its memory limit', async () => {
  const settings = { connections: 16, seconds: 1, warmUpSeconds: 1, runs: 1, memorySeconds: 1 };
  const startSink: BenchContext['startSink'] = (_, options) =>
    SinkProcesses.start({ ...options, profileDirectory: null });
  // Throws when a request fails, or when the objects do not contain exactly the accepted events.
  const result = await throughputRuns('batch', {
    load: new AutocannonLoad(),
    settings,
    startSink,
    say: () => undefined,
  });

  const [run] = result.runs;
  expect(run?.sink.stored.events).toBeGreaterThanOrEqual(run?.sink.acknowledgedEvents ?? Infinity);
  expect(run?.sink.acknowledgedEvents).toBeGreaterThan(0);
  const summary = summarise(result);
  expect(memoryProblems(summary)).toEqual([]);
  // In such a short run, the other processes may use less CPU time than the clock can show.
  const { ingest, batcher, redis } = summary.cpuMicrosPerEvent;
  expect(Math.min(ingest, batcher, redis)).toBeGreaterThan(0);
}, 60_000);

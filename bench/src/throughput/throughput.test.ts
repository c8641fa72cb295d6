import { expect, test } from 'vitest';
import { AutocannonLoad } from '../load/autocannon.ts';
import { memoryProblems, summarise } from './summary.ts';
import { throughputRuns } from './throughput.ts';

test('a short run of the whole sink stores as many events as it acknowledged, in no more memory than allowed', async () => {
  const settings = { connections: 16, seconds: 1, warmUpSeconds: 1, runs: 1 };
  const options = { profileDirectory: null, say: () => undefined };
  // Throws when a request fails, or when the objects hold other than the accepted events.
  const result = await throughputRuns('batch', new AutocannonLoad(), settings, options);

  const [run] = result.runs;
  expect(run?.sink.stored.events).toBeGreaterThanOrEqual(run?.sink.acknowledgedEvents ?? Infinity);
  expect(run?.sink.acknowledgedEvents).toBeGreaterThan(0);
  const summary = summarise(result);
  expect(memoryProblems(summary)).toEqual([]);
  expect(Object.values(summary.cpuMicrosPerEvent).every((micros) => micros > 0)).toBe(true);
}, 60_000);

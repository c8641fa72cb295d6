import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { expect, it } from 'vitest';
import { type ThroughputSummary, throughputTables } from '../throughput/summary.ts';
import { comparison, readResults } from './compare.ts';

const summary: ThroughputSummary = {
  bareRequestsPerSecond: 50_000,
  bareRequestsPerCpuSecond: 50_000,
  eventsPerSecond: 30_000,
  eventsPerCpuSecond: 25_000,
  ingestEventsPerCpuSecond: 40_000,
  cpuMicrosPerEvent: { ingest: 25, batcher: 5, uploader: 1, redis: 6, s3: 1 },
  ratioWhole: 0.5,
  ratioIngest: 0.8,
  rssPeakBytes: { ingest: 200, batcher: 100, uploader: 100, redis: 50 },
  drainSeconds: 1,
};
const then = { commit: 'abc', loadGenerator: 'wrk' };

it('shows the change of each figure, and which was not measured before', () => {
  const scenarios = [
    { tables: throughputTables('binary', 'binary', { ...summary, ratioWhole: 0.55, ratioIngest: 0.72 }) },
    { tables: throughputTables('batch', 'batch', summary) },
    { tables: [{ title: 'latency', figures: [{ row: 'p99, ms', column: 'sink', value: 5 }] }] },
  ];
  const latency = [{ title: 'latency', figures: [{ row: 'p99, ms', column: 'sink', value: 10 }] }];
  const text = comparison(
    { loadGenerator: 'wrk', scenarios },
    {
      ...then,
      scenarios: [{ tables: throughputTables('binary', 'binary', summary) }, { tables: latency }],
    },
  );
  expect(text).toContain(
    '| whole sink: events for each request of the bare server, per CPU second | +10.0 % | not measured then |',
  );
  expect(text).toContain(
    '| ingest: events for each request of the bare server, per CPU second | −10.0 % | not measured then |',
  );
  expect(text).toContain('| p99, ms | −50.0 % |');
  expect(text).not.toContain('Not alike');
});

it('reports that the load came from another generator', () => {
  const text = comparison({ loadGenerator: 'autocannon', scenarios: [] }, { ...then, scenarios: [] });
  expect(text).toContain('the load came from autocannon now and from wrk then');
});

it('a file without results is an error with its name and the reason', () => {
  const file = join(temporaryDirectory('compare'), 'results.json');
  expect(() => readResults(file)).toThrow(/results to compare with \[file=.*ENOENT/);
  writeFileSync(file, '{"commit":"abc"}');
  expect(() => readResults(file)).toThrow(/it holds no scenarios/);
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { expect, it } from 'vitest';
import { comparison, readResults } from './compare.ts';
import type { ScenarioSummary } from './summary.ts';

const summary: ScenarioSummary = {
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

it('shows the change of each figure, and says which scenario was not measured then', () => {
  const now = [
    { name: 'binary', title: 'binary', summary: { ...summary, ratioWhole: 0.55, ratioIngest: 0.72 } },
    { name: 'batch', title: 'batch', summary },
  ];
  const table = comparison(now, { commit: 'abc', scenarios: [{ name: 'binary', summary }] });
  expect(table).toContain('| whole sink to bare server | +10.0 % | not measured then |');
  expect(table).toContain('| ingest to bare server | −10.0 % | not measured then |');
});

it('a file that holds no results is named, with what is wrong', () => {
  const file = join(temporaryDirectory('compare'), 'results.json');
  expect(() => readResults(file)).toThrow(/results to compare with \[file=.*ENOENT/);
  writeFileSync(file, '{"commit":"abc"}');
  expect(() => readResults(file)).toThrow(/it holds no scenarios/);
});

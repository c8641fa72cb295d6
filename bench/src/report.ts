import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { SETTINGS } from './processes.ts';
import type { RunSettings, ScenarioResult } from './scenario-run.ts';
import type { ScenarioSummary } from './summary.ts';

const RESULTS = join(import.meta.dirname, '../results');

export interface Report {
  readonly startedAt: Date;
  readonly loadGenerator: string;
  readonly settings: RunSettings;
  readonly scenarios: readonly (ScenarioResult & { readonly summary: ScenarioSummary })[];
}

/** The summaries as a table in Markdown, so that it can be quoted as it is. */
export function table({ scenarios }: Report): string {
  const rows: readonly [string, (summary: ScenarioSummary) => string][] = [
    ['bare server: requests/s', (s) => thousands(s.bareRequestsPerSecond)],
    ['bare server: requests per CPU second', (s) => thousands(s.bareRequestsPerCpuSecond)],
    ['sink: events/s, acknowledged', (s) => thousands(s.eventsPerSecond)],
    ['ingest: events per CPU second', (s) => thousands(s.ingestEventsPerCpuSecond)],
    ['whole sink: events per CPU second', (s) => thousands(s.eventsPerCpuSecond)],
    ['**ingest to bare server, per CPU second**', (s) => `**${s.ratioIngest.toFixed(2)}**`],
    ['**whole sink to bare server, per CPU second**', (s) => `**${s.ratioWhole.toFixed(2)}**`],
    [
      'CPU µs an event: ingest, batcher, uploader, Redis',
      ({ cpuMicrosPerEvent: { ingest, batcher, uploader, redis } }) =>
        [ingest, batcher, uploader, redis].map((micros) => micros.toFixed(2)).join(', '),
    ],
    ['the same of the S3 stand-in, not counted in', (s) => s.cpuMicrosPerEvent.s3.toFixed(2)],
    [
      'most RSS, MiB: ingest, batcher, uploader, Redis',
      ({ rssPeakBytes: { ingest, batcher, uploader, redis } }) =>
        [ingest, batcher, uploader, redis].map((bytes) => Math.round(bytes / 2 ** 20)).join(', '),
    ],
    ['seconds from the last 202 to the last object', (s) => s.drainSeconds.toFixed(1)],
  ];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(['', ...scenarios.map(({ title }) => title)]),
    line(['---', ...scenarios.map(() => '---:')]),
    ...rows.map(([name, figure]) => line([name, ...scenarios.map(({ summary }) => figure(summary))])),
  ].join('\n');
}

/** Writes everything that was measured, with what it was measured on, to `bench/results/`. Returns the file's path. */
export function writeResults(report: Report): string {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${report.startedAt.toISOString().slice(0, 16).replace(':', '')}.json`);
  const { startedAt, ...rest } = report;
  const content = {
    startedAt,
    commit: git('rev-parse', '--short', 'HEAD'),
    uncommittedChanges: git('status', '--porcelain', '--untracked-files=no') !== '',
    node: process.version,
    cpus: cpus().map(({ model }) => model),
    sinkSettings: SETTINGS,
    ...rest,
  };
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  return file;
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { cwd: join(RESULTS, '../..'), encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { SETTINGS } from '../sink/processes.ts';
import type { RunSettings } from '../scenario.ts';
import { joined, markdown, type ScenarioReport, shown } from './figure.ts';

const RESULTS = join(import.meta.dirname, '../../results');

export interface Report {
  readonly startedAt: Date;
  readonly loadGenerator: string;
  readonly settings: RunSettings;
  readonly scenarios: readonly ScenarioReport[];
}

/** All figures as tables in Markdown, so that they can be quoted as they are. */
export function tables({ scenarios }: Report): string {
  return joined(scenarios)
    .map((table) => markdown(table, shown))
    .join('\n\n');
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

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { cwd: join(RESULTS, '../..'), encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

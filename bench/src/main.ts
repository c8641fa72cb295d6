/**
 * Measures the whole sink beside references of the same run: see README.md.
 *
 *     npm run bench -- [--scenario NAME]... [--runs N] [--seconds N] [--connections N] [--warm-up SECONDS]
 *                      [--profile DIRECTORY] [--compare RESULTS]
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadGenerator } from './load/load.ts';
import { comparison, readResults } from './report/compare.ts';
import type { ScenarioReport } from './report/figure.ts';
import { tables, writeResults } from './report/report.ts';
import type { BenchContext } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { SERVICES } from './sink/processes.ts';
import { topFunctions } from './sink/profile.ts';

const FUNCTIONS_SHOWN = 20;

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    scenario: { ...text, multiple: true, default: [...SCENARIOS.keys()] },
    runs: { ...text, default: '3' },
    seconds: text,
    connections: { ...text, default: '128' },
    'warm-up': { ...text, default: '5' },
    profile: text,
    compare: text,
  },
});
const earlier = values.compare === undefined ? null : readResults(values.compare);
const unknown = values.scenario.filter((name) => !SCENARIOS.has(name));
if (unknown.length > 0)
  throw new Error(`--scenario ${unknown.join(', ')}: there are ${[...SCENARIOS.keys()].join(', ')}`);
const settings = {
  runs: positive('runs', values.runs),
  seconds: positive('seconds', values.seconds ?? '10'),
  connections: positive('connections', values.connections),
  warmUpSeconds: positive('warm-up', values['warm-up']),
  memorySeconds: positive('seconds', values.seconds ?? '60'),
};
const profiles = values.profile === undefined ? null : resolve(values.profile);

const startedAt = new Date();
const load = await loadGenerator();
say(`load: ${load.name}, ${settings.connections} connections, ${settings.runs} runs of ${settings.seconds} s each`);

const profileDirectories: string[] = [];
const context: BenchContext = {
  load,
  settings,
  profileDirectory: (part) => {
    if (profiles === null) return null;
    const directory = join(profiles, part);
    profileDirectories.push(directory);
    return directory;
  },
  say,
  fail: (problem) => {
    console.error(problem);
    process.exitCode = 1;
  },
};
const scenarios: ScenarioReport[] = [];
for (const [name, scenario] of SCENARIOS) {
  if (!values.scenario.includes(name)) continue;
  scenarios.push(await scenario(context));
  for (const directory of profileDirectories.splice(0)) showProfiles(directory);
}

const report = { startedAt, loadGenerator: load.name, settings, scenarios };
if (earlier !== null) say(`\n${comparison(report, earlier)}`);
say(`\n${tables(report)}\n\nwritten to ${writeResults(report)}`);

function positive(option: string, given: string): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} ${given}: give a whole number from 1 on`);
  return value;
}

function showProfiles(directory: string): void {
  for (const service of SERVICES) {
    const file = join(directory, `${service}.cpuprofile`);
    if (!existsSync(file)) continue;
    say(`\n${service}: share of its CPU time by function, in ${directory}`);
    for (const { where, share } of topFunctions(file, FUNCTIONS_SHOWN)) {
      say(`  ${(share * 100).toFixed(1).padStart(5)} %  ${where}`);
    }
  }
}

function say(line: string): void {
  console.log(line);
}

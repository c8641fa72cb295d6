/**
 * Measures the whole sink beside the references of the same run: see README.md.
 *
 *     npm run bench -- [--scenario NAME]... [--runs N] [--seconds N] [--connections N] [--warm-up SECONDS]
 *                      [--profile DIRECTORY] [--compare RESULTS]
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadGenerator } from './load/load.ts';
import { positive } from './options.ts';
import { comparison, readResults } from './report/compare.ts';
import type { ScenarioReport } from './report/figure.ts';
import { tables } from './report/report.ts';
import { writeResults } from './report/results.ts';
import type { BenchContext, StartedSink } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { SinkProcesses } from './sink/processes.ts';
import { topFunctions } from './sink/profile.ts';
import { SERVICES } from './sink/service.ts';

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
const sinks: StartedSink[] = [];
const context: BenchContext = {
  load,
  settings,
  startSink: async (part, options = {}) => {
    const profileDirectory = profiles === null ? null : join(profiles, part);
    if (profileDirectory !== null) profileDirectories.push(profileDirectory);
    const sink = await SinkProcesses.start({ ...options, profileDirectory });
    sinks.push({ part, ...sink.settings });
    return sink;
  },
  say,
  fail: (problem) => {
    console.error(problem);
    process.exitCode = 1;
  },
};
const scenarios: (ScenarioReport & { readonly sinks: readonly StartedSink[] })[] = [];
try {
  for (const [name, scenario] of SCENARIOS) {
    if (!values.scenario.includes(name)) continue;
    const report = await scenario(context);
    scenarios.push({ ...report, sinks: sinks.splice(0) });
    for (const directory of profileDirectories.splice(0)) showProfiles(directory);
  }
} finally {
  // A late scenario that fails must not lose the results of the earlier ones.
  if (scenarios.length > 0) showAll();
}

function showAll(): void {
  const report = { loadGenerator: load.name, settings, scenarios };
  const file = writeResults('', startedAt, report);
  if (earlier !== null) say(`\n${comparison(report, earlier)}`);
  say(`\n${tables(scenarios)}\n\nwritten to ${file}`);
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

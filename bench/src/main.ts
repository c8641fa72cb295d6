/**
 * Measures the whole sink beside a bare node:http server: see README.md.
 *
 *     npm run bench -- [--scenario binary|structured|batch|dedupe]... [--runs N] [--seconds N] [--connections N]
 *                      [--warm-up SECONDS] [--profile DIRECTORY] [--compare RESULTS]
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { comparison, readResults } from './compare.ts';
import { loadGenerator } from './load.ts';
import { SCENARIO_NAMES } from './messages.ts';
import { SERVICES } from './processes.ts';
import { topFunctions } from './profile.ts';
import { type Report, table, writeResults } from './report.ts';
import { runScenario } from './scenario-run.ts';
import { memoryProblems, summarise } from './summary.ts';

const FUNCTIONS_SHOWN = 20;

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    scenario: { ...text, multiple: true, default: [...SCENARIO_NAMES] },
    runs: { ...text, default: '3' },
    seconds: { ...text, default: '10' },
    connections: { ...text, default: '128' },
    'warm-up': { ...text, default: '5' },
    profile: text,
    compare: text,
  },
});
const earlier = values.compare === undefined ? null : readResults(values.compare);
const names = SCENARIO_NAMES.filter((name) => values.scenario.includes(name));
const settings = {
  runs: positive('runs', values.runs),
  seconds: positive('seconds', values.seconds),
  connections: positive('connections', values.connections),
  warmUpSeconds: positive('warm-up', values['warm-up']),
};

const startedAt = new Date();
const load = await loadGenerator();
say(`load: ${load.name}, ${settings.connections} connections, ${settings.runs} runs of ${settings.seconds} s each`);

const scenarios: Report['scenarios'][number][] = [];
for (const name of names) {
  const profileDirectory = values.profile === undefined ? null : resolve(values.profile, name);
  const result = await runScenario(name, load, settings, { profileDirectory, say });
  scenarios.push({ ...result, summary: summarise(result) });
  if (profileDirectory !== null) showProfiles(profileDirectory);
}

const report = { startedAt, loadGenerator: load.name, settings, scenarios };
if (earlier !== null) say(`\n${comparison(scenarios, earlier)}`);
say(`\n${table(report)}\n\nwritten to ${writeResults(report)}`);
for (const { title, summary } of scenarios) {
  for (const problem of memoryProblems(summary)) {
    console.error(`${title}: ${problem}`);
    process.exitCode = 1;
  }
}

function positive(option: string, given: string): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} ${given}: give a whole number from 1 on`);
  return value;
}

function showProfiles(directory: string): void {
  for (const service of SERVICES) {
    say(`\n${service}: share of its CPU time by function, in ${directory}`);
    for (const { where, share } of topFunctions(join(directory, `${service}.cpuprofile`), FUNCTIONS_SHOWN)) {
      say(`  ${(share * 100).toFixed(1).padStart(5)} %  ${where}`);
    }
  }
}

function say(line: string): void {
  console.log(line);
}

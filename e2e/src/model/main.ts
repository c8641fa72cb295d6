import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { pin } from './pins.ts';
import { type ModelReport, replayOf, runModel } from './run-model.ts';
import { runWorlds } from './worlds.ts';

/**
 * `npm run model -- --seeds N [--from SEED] [--until PATTERN] [--trace] [--processes N]`: exits with 1 when a seed
 * breaks a promise. `--until` ends with the first seed whose violation matches; `--trace` prints all steps, of a single
 * seed.
 *
 * `npm run model -- --pin [PATTERN]` finds and pins a seed for each mutation, or those whose name matches (pins.ts).
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    until: { type: 'string' },
    trace: { type: 'boolean', default: false },
    processes: { type: 'string' },
    pin: { type: 'boolean', default: false },
  },
});
if (values.pin) process.exit((await pin(new RegExp(positionals[0] ?? ''))) ? 0 : 1);
/** Below this, starting another process costs more than it saves. */
const SEEDS_A_PROCESS_MIN = 50;
const from = Number(values.from);
const seeds = Number(values.seeds);
const processes = Number(
  values.processes ?? Math.max(1, Math.min(availableParallelism(), Math.floor(seeds / SEEDS_A_PROCESS_MIN))),
);

const until = values.until === undefined ? null : new RegExp(values.until);
const report: ModelReport = { failing: [], violations: {}, events: 0, objects: 0, shownBy: null };
const startedAt = performance.now();
if (processes > 1 && until === null && !values.trace) {
  const share = Math.ceil(seeds / processes);
  const shares = Array.from({ length: processes }, (_, index) => ({
    from: from + index * share,
    seeds: Math.min(share, seeds - index * share),
  }));
  for (const part of await Promise.all(shares.map((range) => runModel({ ...range, processes: 1 })))) {
    report.failing.push(...part.failing);
    for (const [violation, count] of Object.entries(part.violations)) countViolation(violation, count);
    report.events += part.events;
    report.objects += part.objects;
  }
} else {
  const range = Array.from({ length: seeds }, (_, index) => from + index);
  const trace = values.trace ? { trace: (line: string) => console.log(line) } : {};
  await runWorlds(range, { ...trace, untilOne: until !== null }, (result) => {
    report.events += result.events;
    report.objects += result.objects;
    if (result.violations.length > 0) report.failing.push(result.seed);
    for (const violation of result.violations) countViolation(violation, 1);
    const shows = until !== null && result.violations.some((violation) => until.test(violation));
    if (shows) report.shownBy ??= result.seed;
    return !shows;
  });
}
report.failing.sort((a, b) => a - b);
const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
for (const seed of report.failing.slice(0, 10)) {
  console.log(`seed ${seed} failed; replay it with: ${replayOf(seed)}`);
}
console.log(JSON.stringify({ ...report, seconds }));
// Abandoned worlds may still run, or restart their Redis.
process.exit(report.failing.length > 0 ? 1 : 0);

function countViolation(violation: string, times: number): void {
  report.violations[violation] = (report.violations[violation] ?? 0) + times;
}

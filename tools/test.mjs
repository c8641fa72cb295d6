/**
 * Runs tiers of the suite (CONTRIBUTING.md, "Tiers"): Nx runs types and tests; beside it run the checks of the whole
 * repository, each as one process. The last line is "N passed, N failed".
 *
 *   node tools/test.mjs lint                 ESLint alone
 *   node tools/test.mjs check [--base REF]   what the changes since the merge base with REF (main) affect
 *   node tools/test.mjs test                 everything but the proof
 *   node tools/test.mjs proof                the rest of the suite
 *   node tools/test.mjs test proof           the whole suite
 *
 * Environment: NX_SKIP_NX_CACHE=true runs all anew; SUITE_TALLY names a file from which the count goes on, if it is
 * there, and to which it goes (.ci/run). On SIGTERM, or when the shell above is gone, everything that runs here ends.
 */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { endWithParent, root, run } from './shell.mjs';
import { Tally } from './tally.mjs';

const RUN_FILE = join(root, '.nx', 'cache', 'run.json');
const ESLINT_CACHE = join(root, '.cache', 'eslint.json');
/** More than two cores: tests wait for processes, intervals and files. */
const PARALLEL = '--parallel=3';

const { values, positionals } = parseArgs({
  options: { base: { type: 'string', default: 'main' } },
  allowPositionals: true,
});
const TIERS = {
  lint: async () => {
    await nx(['show', 'projects'], { show: false });
    await eslint('.');
  },
  check: async () => {
    const affected = ['affected', `--base=${values.base}`, '-t', 'typecheck', 'test', PARALLEL];
    const roots = [...new Set((await planOf(affected)).map(({ projectRoot }) => projectRoot))];
    await Promise.all([checks(...roots), targets(affected)]);
  },
  test: async () => {
    // The cache is for `lint` and `check`: a rule that knows types also depends on files that did not change.
    rmSync(ESLINT_CACHE, { force: true });
    tally.check('sync:check', (await nx(['sync:check'])).code === 0);
    await Promise.all([checks('.'), targets(['run-many', '-t', 'typecheck', 'test', 'smoke', PARALLEL])]);
  },
  // It measures times of whole sinks, and has the machine to itself.
  proof: () => targets(['run-many', '-t', 'proof', '--parallel=1']),
};

const tally = new Tally();

/** ESLint of these folders; of everything what takes a second each: Prettier with its cache, knip, the documents. */
async function checks(...folders) {
  if (folders.length > 0) await eslint(...folders);
  await prettier();
  tally.check('knip', (await runModule('knip/bin/knip.js', [])).code === 0);
  const documents = await run(process.execPath, [join(root, 'tools/documents.mjs')], { show: true });
  tally.check('documents', documents.code === 0);
}

/**
 * One process for all: one a project would load the types of all others again, and take twice the time together. Its
 * rules read the graph of projects that Nx left, so a command of Nx has to come first.
 */
async function eslint(...paths) {
  mkdirSync(dirname(ESLINT_CACHE), { recursive: true });
  const cache = ['--cache', '--cache-strategy', 'content', '--cache-location', ESLINT_CACHE];
  const { code } = await runModule('eslint/bin/eslint.js', [...cache, ...paths]);
  // A finding may go away by a change of another file.
  if (code !== 0) rmSync(ESLINT_CACHE, { force: true });
  tally.check('lint', code === 0);
}

async function prettier() {
  const args = ['--check', '--log-level', 'warn', '--cache', '--cache-location', '.cache/prettier.json', '.'];
  tally.check('format', (await runModule('prettier/bin/prettier.cjs', args)).code === 0);
}

/** Runs targets of Nx and counts each of their tasks. */
async function targets(args) {
  const plan = await planOf(args);
  for (const report of globSync('{apps/*,libs/*,e2e,bench,tools}/out/tests/*.json', { cwd: root })) {
    rmSync(join(root, report));
  }
  rmSync(RUN_FILE, { force: true });
  await nx([...args, '--output-style=static']);
  const results = existsSync(RUN_FILE) ? JSON.parse(readFileSync(RUN_FILE, 'utf8')).tasks : [];
  tally.tasks(plan, results, ({ projectRoot, target }) => join(root, projectRoot, `out/tests/${target.target}.json`));
}

/** The tasks that Nx would run: what did not run must not pass for what passed. */
async function planOf(args) {
  const { stdout, output } = await nx([...args, '--graph=stdout'], { show: false });
  try {
    return Object.values(JSON.parse(stdout).tasks.tasks);
  } catch {
    throw new Error(`Nx has no plan of ${args.join(' ')}:\n${output}`);
  }
}

function nx(args, options) {
  return runModule('nx/dist/bin/nx.js', args, options);
}

function runModule(file, args, { show = true } = {}) {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  // FORCE_COLOR: Nx sets it otherwise, and colours would be in what tests read from processes that they start.
  const nxEnv = { NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false', FORCE_COLOR: '0' };
  const env = { ...process.env, PATH: path, ...nxEnv };
  return run(process.execPath, [join(root, 'node_modules', file), ...args], { env, show, timeoutMs: null });
}

endWithParent();
const earlier = process.env.SUITE_TALLY;
if (earlier && existsSync(earlier)) {
  const { passed, failed } = JSON.parse(readFileSync(earlier, 'utf8'));
  tally.add('what ran before', passed, failed);
}
for (const tier of positionals) {
  if (TIERS[tier] === undefined) throw new Error(`no tier ${tier}: ${Object.keys(TIERS).join(', ')}`);
  await TIERS[tier]();
}
if (earlier) writeFileSync(earlier, JSON.stringify({ passed: tally.passed, failed: tally.failed }));
if (tally.failures.length > 0) console.log(`\nfailed: ${tally.failures.join(', ')}`);
console.log(`\n${tally}`);
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);

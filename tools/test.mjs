/**
 * The whole suite: workspace references, lint, types, tests of every project; the last line is "N passed, N failed".
 * Counted are tests (all vitest projects) and the lint, typecheck and workspace checks, one each.
 */
import { spawn } from 'node:child_process';
import { globSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from './shell.mjs';

const PARALLEL = 2;
const KILL_AFTER_MS = 5000;
/** Projects whose tests start whole pipelines of processes: they get the machine to themselves. */
const SERIAL_PROJECTS = ['@sink/sink', '@sink/e2e', '@sink/bench'];
const RUN_FILE = join(root, '.nx', 'cache', 'run.json');
const REPORTS = '{apps/*,libs/*,e2e,bench}/out/tests.json';

const totals = { passed: 0, failed: 0, failures: [] };

function count(name, passed, failed) {
  totals.passed += passed;
  totals.failed += failed;
  if (failed > 0) totals.failures.push(failed === 1 ? name : `${name} (${failed})`);
}

const running = new Set();
let ending = false;

/** Runs a program of node_modules in a process group of its own, so that all of it can be ended. Resolves to its exit code. */
function run(program, ...args) {
  return new Promise((resolve, reject) => {
    const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
    // FORCE_COLOR: nx sets it otherwise, and colours would stand in what tests read from processes they start.
    const nxEnv = { NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false', FORCE_COLOR: '0' };
    const env = { ...process.env, PATH: path, ...nxEnv };
    const child = spawn(process.execPath, [join(root, 'node_modules', program), ...args], {
      cwd: root,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    });
    running.add(child);
    child.once('error', reject);
    child.once('exit', (code) => {
      running.delete(child);
      // Told to end, nothing goes on from here.
      if (!ending) resolve(code ?? 1);
    });
  });
}

function nx(...args) {
  return run('nx/dist/bin/nx.js', ...args);
}

function signalGroups(signal) {
  for (const { pid } of running) {
    try {
      process.kill(-pid, signal);
    } catch {
      // it is gone already
    }
  }
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    signalGroups('SIGTERM');
    setTimeout(() => signalGroups('SIGKILL'), KILL_AFTER_MS).unref();
    const poll = setInterval(() => {
      if (running.size > 0) return;
      clearInterval(poll);
      process.exit(code);
    }, 50);
  });
}

/** What nx noted about its last run: one entry per target that was run or taken from the cache. */
function lastRun() {
  try {
    return JSON.parse(readFileSync(RUN_FILE, 'utf8')).tasks;
  } catch {
    return [];
  }
}

/** Runs targets and counts each as one. A target that was never reached (nx itself failed) counts as failed. */
async function checks(name, ...args) {
  rmSync(RUN_FILE, { force: true });
  const code = await nx('run-many', ...args);
  const tasks = lastRun();
  for (const task of tasks) count(task.taskId, task.status === 0 ? 1 : 0, task.status === 0 ? 0 : 1);
  if (code !== 0 && tasks.every((task) => task.status === 0)) count(name, 0, 1);
  if (tasks.length === 0 && code === 0) count(`${name}: nothing ran`, 0, 1);
}

/** Runs the test targets and counts what vitest reported; a target that failed without a failed test counts as one. */
async function tests(name, ...args) {
  rmSync(RUN_FILE, { force: true });
  const code = await nx('run-many', '-t', 'test', ...args);
  const tasks = lastRun();
  const reports = new Map(globSync(REPORTS, { cwd: root }).map((file) => [projectOf(file), file]));
  for (const task of tasks) {
    const { passed, failed } = readReport(reports.get(task.projectName));
    count(task.taskId, passed, task.status !== 0 && failed === 0 ? 1 : failed);
  }
  if (code !== 0 && tasks.every((task) => task.status === 0)) count(name, 0, 1);
}

function projectOf(report) {
  const manifest = join(root, report, '..', '..', 'package.json');
  return JSON.parse(readFileSync(manifest, 'utf8')).name;
}

/** A missing report is a project without tests (vitest writes none then); failed files without a test count as one. */
function readReport(file) {
  if (file === undefined) return { passed: 0, failed: 0 };
  const report = JSON.parse(readFileSync(join(root, file), 'utf8'));
  const brokenFiles = report.testResults.filter(
    (result) => result.status === 'failed' && result.assertionResults.every(({ status }) => status !== 'failed'),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles.length };
}

for (const report of globSync(REPORTS, { cwd: root })) rmSync(join(root, report));

count('nx sync:check', ...((await nx('sync:check')) === 0 ? [1, 0] : [0, 1]));
// One eslint for everything: one a project loads the types of all others again, and takes twice the time together.
const linting = run('eslint/bin/eslint.js', '.');
await checks('typecheck', '-t', 'typecheck', '--parallel=1', '--outputStyle=static');
count('lint', ...((await linting) === 0 ? [1, 0] : [0, 1]));
const checked = totals.passed;
await tests('tests', `--parallel=${PARALLEL}`, `--exclude=${SERIAL_PROJECTS.join(',')}`, '--outputStyle=static');
await tests('end to end', '--parallel=1', `--projects=${SERIAL_PROJECTS.join(',')}`, '--outputStyle=stream');
if (totals.passed === checked && totals.failed === 0) count('no test ran', 0, 1);

if (totals.failures.length > 0) console.log(`\nfailed: ${totals.failures.join(', ')}`);
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed === 0 ? 0 : 1;

/**
 * What the scripts around the product share: saying something, failing with one line, running a program.
 * Plain JavaScript without dependencies: it runs before anything is installed, on Node 20.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const KILL_AFTER_MS = 2000;

/** The checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A failure the user can act on: its message is the one line that is shown. */
export class SetupError extends Error {}

/** Progress goes to stderr: stdout of setup.mjs is its result. */
export function say(line) {
  process.stderr.write(`sink: ${line}\n`);
}

/** Says every ten seconds that `what` is still going on, for installations that print nothing by themselves. */
export async function withHeartbeat(what, work) {
  const startedMs = Date.now();
  const timer = setInterval(() => say(`still ${what}, ${Math.round((Date.now() - startedMs) / 1000)} s`), 10_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

const running = new Set();
let ending = false;

/**
 * Runs a program to its end, without a terminal and without input. Resolves in every case; `code` is null when it
 * could not be started, was killed, or took longer than `timeoutMs` (null: it may take any time). With `show`, its
 * output goes to ours instead of into the result.
 */
export function run(command, args, { cwd = root, env = process.env, timeoutMs = 600_000, show = false } = {}) {
  return new Promise((resolve) => {
    let output = '';
    let stdout = '';
    // In a process group of its own, so that all it starts can be ended with it.
    const stdio = show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
    const child = spawn(command, args, { cwd, env, stdio, detached: true });
    const timer = timeoutMs === null ? undefined : setTimeout(() => signalGroup(child, 'SIGKILL'), timeoutMs);
    running.add(child);
    child.stdout?.on('data', (data) => {
      output += data;
      stdout += data;
    });
    child.stderr?.on('data', (data) => (output += data));
    const settle = (code) => {
      clearTimeout(timer);
      running.delete(child);
      // After a signal to end, nothing more starts here.
      if (!ending) resolve({ code, output, stdout });
    };
    child.on('error', (error) => {
      output += error.message;
      settle(null);
    });
    child.on('close', settle);
  });
}

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It is gone, or was never there.
  }
}

/**
 * Ends this process when the shell that started it is gone (npm hands SIGTERM to that shell only), after everything it
 * runs: npm continues an installation for a while after SIGTERM, so it is killed 2 s later.
 */
export function endWithParent() {
  const parent = process.ppid;
  const end = (code) => {
    if (ending) return;
    ending = true;
    for (const child of running) signalGroup(child, 'SIGTERM');
    setTimeout(() => running.forEach((child) => signalGroup(child, 'SIGKILL')), KILL_AFTER_MS);
    setInterval(() => running.size === 0 && process.exit(code), 20);
  };
  process.on('SIGTERM', () => end(143));
  process.on('SIGINT', () => end(130));
  process.on('SIGHUP', () => end(129));
  setInterval(() => process.ppid !== parent && end(143), 250).unref();
}

/** The full path of a program on PATH, or null. `node_modules/.bin` does not count: it is ours. */
export function onPath(name) {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    if (directory === '' || directory.endsWith(join('node_modules', '.bin'))) continue;
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // not here
    }
  }
  return null;
}

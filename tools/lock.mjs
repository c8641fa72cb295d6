/**
 * One setup of a checkout at a time: `npm start` and `npm test` may be typed together.
 *
 * A lock of its own beside the one of the data directory (apps/sink/src/own-redis/data-lock.ts): it runs before the
 * packages are installed, on Node 20, and so imports neither a package nor TypeScript.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './shell.mjs';

const POLL_MS = 250;

/** Runs `work` while holding the lock file. A lock whose holder is gone is taken over. */
export async function withLock(file, work) {
  for (let waited = false; !acquire(file); waited = true) {
    if (!waited) say('waiting for another setup of this checkout to end');
    await sleep(POLL_MS);
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function acquire(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (!isAlive(readHolder(file))) rmSync(file, { force: true });
  return false;
}

/** The process id in the lock file; NaN while its holder is still writing it, or is just releasing it. */
function readHolder(file) {
  try {
    return Number(readFileSync(file, 'utf8') || NaN);
  } catch {
    return NaN;
  }
}

function isAlive(pid) {
  if (Number.isNaN(pid)) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

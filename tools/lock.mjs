/**
 * One setup of a checkout at a time: `npm start` and `npm test` may be typed together.
 *
 * A lock of its own beside the one of the data directory (apps/sink/src/own-redis/data-lock.ts): it runs before the
 * packages are installed, on Node 20, and so imports neither a package nor TypeScript.
 */
import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './shell.mjs';

const POLL_MS = 250;
/** A holder writes its lock file in far less time than this. */
const UNREADABLE_MS_MAX = 2_000;

/**
 * Runs `work` while holding the lock file. The file has the number and the identity of its holder. A lock whose holder is
 * gone is taken over: also one that a crash left empty, and one whose number now belongs to another process.
 */
export async function withLock(file, work) {
  const own = JSON.stringify({ pid: process.pid, identity: identityOf(process.pid) });
  let waited = false;
  let unreadableMs = 0;
  while (!create(file, own)) {
    const found = read(file);
    if (found === null) continue;
    const holder = parseHolder(found);
    unreadableMs = holder === null ? unreadableMs + POLL_MS : 0;
    const isStale = holder === null ? unreadableMs > UNREADABLE_MS_MAX : identityOf(holder.pid) !== holder.identity;
    if (isStale) {
      removeStale(file, found);
      continue;
    }
    if (!waited) {
      const who = holder === null ? '' : ` (process ${holder.pid})`;
      say(`waiting for another setup of this checkout to end${who}; its lock is ${file}`);
    }
    waited = true;
    await sleep(POLL_MS);
  }
  const release = () => {
    if (read(file) === own) rmSync(file, { force: true });
  };
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

/** False when the file exists. */
function create(file, text) {
  try {
    writeFileSync(file, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a stale lock, unless another process that waits has replaced it meanwhile. */
function removeStale(file, stale) {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (read(aside) !== stale) linkSync(aside, file);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Null while the holder is writing its file, and for what a crash left. Earlier releases wrote a number alone. */
function parseHolder(text) {
  try {
    const { pid, identity } = JSON.parse(text);
    return Number.isInteger(pid) && pid > 0 && typeof identity === 'string' ? { pid, identity } : null;
  } catch {
    return null;
  }
}

/** When a process started, which its number alone does not tell. Null when there is no such process. */
function identityOf(pid) {
  try {
    if (process.platform !== 'linux') {
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 5_000 };
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], options).trim() || null;
    }
    // The second field, in brackets, may contain anything. After it, the start time is field 19.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`;
  } catch {
    return null;
  }
}

import { readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { makePrivateDirectory, writePrivateFile } from '@sink/runtime';
import { diskFull } from './disk-full.ts';
import { processIdentity } from './process-identity.ts';
import { StartError } from '../start-error.ts';

const ATTEMPTS_MAX = 5;

interface Holder {
  readonly pid: number;
  readonly identity: string;
  readonly host: string;
}

export interface DataLock {
  /** The earlier sink on this directory did not stop in order: some of its processes may still run. */
  readonly predecessorDied: boolean;
  release(): void;
}

/**
 * Lets one sink at a time use a data directory: two redis-servers on one append-only file would ruin it. The lock is a
 * file with the number and the identity of its holder. It is taken over from a holder that is dead, or that ran on
 * another host (a container that was replaced).
 *
 * Why not proper-lockfile: it decides by the age of the lock (at least 2 s, by default 10 s). After a SIGKILL, a
 * restart would wait that long or fail, and a supervisor that was paused would lose its lock while its Redis still
 * runs. This lock knows at once whether its holder lives. It cannot see processes of other hosts: a lock that holds
 * across containers needs a heartbeat, and can replace this one behind `DataLock`.
 * @throws StartError `data_dir_in_use`, `data_dir`
 */
export function lockDataDirectory(file: string): DataLock {
  const own: Holder = { pid: process.pid, identity: processIdentity(process.pid) ?? '', host: hostname() };
  const text = JSON.stringify(own);
  let predecessorDied = false;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    if (create(file, text)) {
      return {
        predecessorDied,
        release: () => {
          if (read(file) === text) rmSync(file, { force: true });
        },
      };
    }
    const holder = parseHolder(read(file));
    if (holder !== null && holder.host === own.host && processIdentity(holder.pid) === holder.identity) {
      const where = `another sink (process ${holder.pid}) is running on this data directory`;
      throw new StartError('data_dir_in_use', `${where}: stop it, or give this one a data_dir of its own (${file})`);
    }
    predecessorDied = true;
    rmSync(file, { force: true });
  }
  throw new StartError('data_dir_in_use', `other sinks are starting on this data directory (${file})`);
}

/** False when the file exists. */
function create(file: string, text: string): boolean {
  try {
    makePrivateDirectory(dirname(file));
  } catch (cause) {
    throw cannotWrite(file, cause);
  }
  try {
    writePrivateFile(file, text);
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false;
    throw cannotWrite(file, cause);
  }
}

function cannotWrite(file: string, cause: unknown): StartError {
  const full = diskFull(dirname(dirname(file)), cause);
  if (full !== null) return full;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StartError('data_dir', `the data directory cannot be written (${reason}): set data_dir`, { cause });
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function parseHolder(text: string | null): Holder | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    if (typeof value !== 'object' || value === null) return null;
    const { pid, identity, host } = value as Partial<Record<keyof Holder, unknown>>;
    return typeof pid === 'number' && typeof identity === 'string' && typeof host === 'string'
      ? { pid, identity, host }
      : null;
  } catch {
    return null;
  }
}

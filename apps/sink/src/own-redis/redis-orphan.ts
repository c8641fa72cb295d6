import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Clock, Logger } from '@sink/runtime';
import { StartError } from '../start-error.ts';
import { processCommand } from './process-identity.ts';
import { readLastRedis } from './redis-conf.ts';

const STOP_GRACE_MS = 10_000;
const KILL_GRACE_MS = 5_000;
const POLL_MS = 50;

/**
 * Stops the sink's own Redis when all processes that need it are gone, even when they were killed.
 *
 * A small shell waits on a pipe whose other end the sink holds and each service inherits. When the last of them is gone
 * (the sink by SIGKILL, the services after they drained), the pipe ends and the shell sends Redis a SIGTERM. The shell
 * runs in a session of its own, so that Ctrl-C does not end it first.
 */
export interface Lifeline {
  /** The end that the services inherit. */
  readonly end: Writable;
  /** Ends the shell, after Redis was stopped in order. */
  release(): Promise<void>;
}

const WAIT_AND_STOP = 'read -r _; kill -TERM "$(cat "$0")"';

/** @param pidFile where the Redis of this run writes its process id */
export function startLifeline(pidFile: string): Lifeline {
  const shell = spawn('/bin/sh', ['-c', WAIT_AND_STOP, pidFile], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const gone = new Promise<void>((resolve) => {
    shell.once('exit', () => resolve());
    // The sink works without the shell: its next start finds an orphaned Redis by the pid file.
    shell.on('error', () => resolve());
  });
  shell.stdin.on('error', () => {
    // The shell was killed.
  });
  return {
    end: shell.stdin,
    release: async () => {
      shell.kill('SIGKILL');
      await gone;
    },
  };
}

/**
 * Stops the Redis that an earlier sink left running when everything else was killed: two servers on one append-only
 * file would ruin it. SIGKILL is safe too, because Redis fsyncs what it acknowledges.
 * @throws StartError `redis_failed` when it cannot be stopped
 */
export async function stopOrphanedRedis(directory: string, clock: Clock, log: Logger): Promise<void> {
  const last = readLastRedis(directory);
  const pid = last === null ? null : readPid(last.pidFile);
  if (last !== null && pid !== null && isOurRedis(pid, last.port)) {
    log.warn({ pid, port: last.port }, 'stopping a Redis of an earlier sink that still runs on this data directory');
    const isGone = (): boolean => !isOurRedis(pid, last.port);
    send(pid, 'SIGCONT');
    send(pid, 'SIGTERM');
    if (!(await waitUntil(isGone, STOP_GRACE_MS, clock))) {
      send(pid, 'SIGKILL');
      if (!(await waitUntil(isGone, KILL_GRACE_MS, clock))) {
        throw new StartError('redis_failed', `a Redis of an earlier sink (process ${pid}) cannot be stopped: stop it`);
      }
    }
  }
  removePidFiles(directory);
}

/** Redis shows its address as its command line: "redis-server 127.0.0.1:6379". */
function isOurRedis(pid: number, port: number): boolean {
  const command = processCommand(pid);
  return command !== null && /redis|valkey/.test(command) && command.includes(`127.0.0.1:${port}`);
}

function readPid(file: string): number | null {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process is gone, or belongs to another user: the caller's wait finds out which.
  }
}

async function waitUntil(condition: () => boolean, timeoutMs: number, clock: Clock): Promise<boolean> {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (!condition()) {
    if (clock.monotonicMs() >= endMs) return false;
    await clock.sleep(POLL_MS);
  }
  return true;
}

function removePidFiles(directory: string): void {
  try {
    for (const name of readdirSync(directory)) {
      if (/^redis-[0-9a-f]+\.pid$/.test(name)) rmSync(join(directory, name), { force: true });
    }
  } catch {
    // The directory does not exist yet.
  }
}

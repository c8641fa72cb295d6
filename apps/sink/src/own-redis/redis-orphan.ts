import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger } from '@sink/runtime';
import { processCommand } from './process-identity.ts';
import { readLastRedis } from './redis-conf.ts';
import { StartError } from '../start-error.ts';

const STOP_GRACE_MS = 10_000;
const KILL_GRACE_MS = 5000;
const POLL_MS = 50;

/**
 * Stops the Redis that a sink before us left behind (after a SIGKILL of everything but it): two servers on one
 * append-only file would ruin it. What it has acknowledged is fsynced, so that SIGKILL is no danger either.
 * @throws StartError `redis_failed` when it cannot be stopped
 */
export async function stopOrphanedRedis(directory: string, clock: Clock, log: Logger): Promise<void> {
  const last = readLastRedis(directory);
  const pid = last === null ? null : readPid(last.pidFile);
  if (last !== null && pid !== null && isOurRedis(pid, last.port)) {
    log.warn({ pid, port: last.port }, 'a Redis of an earlier sink still runs on this data directory and is stopped');
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

/** Redis shows where it listens as its command line: "redis-server 127.0.0.1:6379". */
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
    // It is gone, or not ours to signal: the wait that follows tells.
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
    // There is no directory yet.
  }
}

import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { parseHolder } from '../own-redis/lock-holder.ts';
import { readLastRedis } from '../own-redis/redis-conf.ts';
import { askRedis } from '../own-redis/redis-console.ts';
import { canMakeContainers, type Container, startContainer } from '../test/container.ts';
import { type RunningProcess, runningProcesses } from '../test/processes.ts';
import { freePorts } from '../test/free-ports.ts';

const READY = /"msg":"ready: post CloudEvents to/;
const MAIN = fileURLToPath(new URL('../test/sink-main.ts', import.meta.url));
/** Milliseconds between heartbeats, and until a lock without one is free. */
const LOCK_TIMES = '100,1500';
/** A pod of a StatefulSet comes back under its name. */
const HOST_NAME = 'sink-0';

/** Ports of its own: in real containers they would not meet. */
async function environment(dataDir: string): Promise<Readonly<Record<string, string | undefined>>> {
  return {
    NODE_ENV: 'test',
    npm_lifecycle_event: undefined,
    SCRIPT_LOCK_TIMES: LOCK_TIMES,
    SINK_DATA_DIR: dataDir,
    SINK_HOST: '127.0.0.1',
    ...(await freePorts()),
  };
}

async function inContainer(dataDir: string, path = process.env['PATH'] ?? ''): Promise<Container> {
  const command = ['/usr/bin/env', `PATH=${path}`, process.execPath, MAIN];
  return startContainer(HOST_NAME, command, await environment(dataDir));
}

/** Without a container: the processes of the test see its processes. */
async function onHost(dataDir: string): Promise<Container> {
  const sink = await startProcess({ command: process.execPath, args: [MAIN], env: await environment(dataDir) });
  return {
    process: sink,
    kill: async (signal) => {
      if (signal === 'SIGTERM') await sink.kill('SIGTERM');
      else for (const { pid } of processesOf(dataDir)) process.kill(pid, 'SIGKILL');
      await sink.exited;
    },
    signalAll: (signal) => sink.signal(signal),
  };
}

const ready = (sink: ManagedProcess): Promise<unknown> => sink.waitFor(READY, { timeoutMs: 20_000 });
const processesOf = (dataDir: string): readonly RunningProcess[] =>
  runningProcesses().filter(({ pid, text }) => text.includes(dataDir) || hasOpen(pid, dataDir));
/** How many processes have the append-only file open. */
const writers = (dataDir: string): number =>
  runningProcesses().filter(({ pid }) => hasOpen(pid, join(dataDir, 'redis', 'appendonlydir'))).length;

function hasOpen(pid: number, directory: string): boolean {
  try {
    const fds = `/proc/${String(pid)}/fd`;
    return readdirSync(fds).some((fd) => readlinkSync(join(fds, fd)).startsWith(directory));
  } catch {
    return false;
  }
}

async function ask(dataDir: string, ...command: readonly string[]): Promise<string> {
  const redis = readLastRedis(join(dataDir, 'redis'));
  if (redis === null) throw new Error('there is no redis.conf');
  return askRedis(redis, ...command);
}

describe.skipIf(!canMakeContainers)('two containers on one volume (skipped without Linux, root and unshare)', () => {
  test.each([
    ['in another container of the same name', inContainer, inContainer],
    ['in a container, while the first runs on the host', onHost, inContainer],
  ] as const)(
    'the second, %s, does not start before the first was killed',
    { timeout: 60_000 },
    async (_, one, other) => {
      const dataDir = temporaryDirectory('volume');
      const first = await one(dataDir);
      await ready(first.process);
      await ask(dataDir, 'SET', 'acknowledged', '1');

      const refused = await other(dataDir);
      expect((await refused.process.exited).code).toBe(1);
      expect(refused.process.output()).toMatch(
        /"level":"warn".*has the lock of data_dir: waiting up to 2 s for it to end/,
      );
      expect(refused.process.output()).toMatch(
        /^data_dir_in_use: another sink \(process \d+ (of another container|on .*)\) is running/m,
      );
      expect(await ask(dataDir, 'GET', 'acknowledged')).toContain('1');
      expect(writers(dataDir)).toBe(1);

      await first.kill('SIGKILL');
      const second = await other(dataDir);
      await ready(second.process);
      expect(second.process.output()).not.toContain('counts as dead');
      expect(await ask(dataDir, 'GET', 'acknowledged')).toContain('1');
      expect(writers(dataDir)).toBe(1);
      await second.kill('SIGTERM');
      expect(second.process.output()).not.toContain('"level":"error"');
    },
  );

  test(
    'without a lock of the kernel, a paused first one is replaced, and stops when it continues',
    { timeout: 60_000 },
    async () => {
      const dataDir = temporaryDirectory('volume');
      const path = withoutFlock();
      const first = await inContainer(dataDir, path);
      await ready(first.process);
      await ask(dataDir, 'SET', 'acknowledged', '1');
      first.signalAll('SIGSTOP');

      const second = await inContainer(dataDir, path);
      await ready(second.process);
      expect(second.process.output()).toMatch(/it counts as dead after 2 s without a heartbeat/);
      expect(await ask(dataDir, 'GET', 'acknowledged')).toContain('1');
      const lock = readFileSync(join(dataDir, 'redis', 'sink.lock'), 'utf8');

      first.signalAll('SIGCONT');
      expect((await first.process.exited).code).toBe(1);
      expect(first.process.output()).toContain('another sink has taken the lock of data_dir while this one was silent');
      expect(first.process.output()).not.toMatch(/got SIGTERM/);
      await eventually(() => expect(writers(dataDir)).toBe(1));
      expect(readFileSync(join(dataDir, 'redis', 'sink.lock'), 'utf8')).toBe(lock);
      expect(parseHolder(lock)?.kernelLock).toBeNull();
      await second.kill('SIGTERM');
    },
  );
});

/** A PATH whose `flock` fails, as on a file system without such locks. */
function withoutFlock(): string {
  const bin = temporaryDirectory('bin');
  writeFileSync(join(bin, 'flock'), '#!/bin/sh\necho "flock: 3: No locks available" >&2\nexit 71\n', { mode: 0o755 });
  return `${bin}:${process.env['PATH'] ?? ''}`;
}

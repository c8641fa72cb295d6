import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { silentLog, systemClock } from '@sink/runtime';
import { eventually, temporaryDirectory } from '@sink/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DataDirectoryInUse, type DataLockOptions, lockDataDirectory } from './data-lock.ts';
import type { DataLock } from './held-lock.ts';
import { currentPlace, type Holder, newHolder, parseHolder } from './lock-holder.ts';
import { processIdentity } from './process-identity.ts';

const TIMES = { beatMs: 50, staleMs: 1_500 };
const HERE = currentPlace();
const OTHER_HOST = { host: 'web-1', boot: 'another kernel', pidNamespace: 'pid:[1]' };
/** A pod that came back: its name is the same, its processes are others. */
const OTHER_CONTAINER = { ...HERE, pidNamespace: 'pid:[1]' };

const hasFlock = spawnSync('flock', ['--version']).status === 0;

describe('the lock of a data directory', () => {
  let file: string;
  const taken: DataLock[] = [];
  beforeEach(() => {
    file = join(temporaryDirectory('lock'), 'redis', 'sink.lock');
    mkdirSync(dirname(file), { recursive: true });
  });
  afterEach(() => {
    for (const lock of taken.splice(0)) lock.release();
    vi.unstubAllEnvs();
  });

  const ports = (more: Partial<DataLockOptions> = {}): DataLockOptions => ({
    clock: systemClock,
    log: silentLog,
    signal: new AbortController().signal,
    times: TIMES,
    ...more,
  });
  const take = async (more: Partial<DataLockOptions> = {}): Promise<DataLock> => {
    const lock = await lockDataDirectory(file, ports(more));
    if (lock === null) throw new Error('stopped');
    taken.push(lock);
    return lock;
  };
  const leave = (holder: Partial<Holder>, ageMs = 0): void => {
    writeFileSync(file, JSON.stringify({ ...newHolder(HERE, null), ...holder }));
    const at = (Date.now() - ageMs) / 1_000;
    utimesSync(file, at, at);
  };
  const holder = (): Holder | null => parseHolder(readFileSync(file, 'utf8'));
  const withoutFlock = (): void => void vi.stubEnv('PATH', '/nowhere');

  /** How long a call took, in milliseconds. */
  async function timed<T>(call: Promise<T>): Promise<{ readonly ms: number; readonly value: T }> {
    const startedMs = performance.now();
    const value = await call;
    return { ms: performance.now() - startedMs, value };
  }

  test('is held by one sink at a time and is free after its release', async () => {
    const lock = await take();
    expect(lock.predecessorDied).toBe(false);
    await expect(take()).rejects.toThrow(`another sink (process ${String(process.pid)}) is running`);
    lock.release();
    expect(existsSync(file)).toBe(false);
    expect((await take()).predecessorDied).toBe(false);
  });

  test('of a dead process is taken over, and a late release leaves the lock of another holder alone', async () => {
    const gone = spawn(process.execPath, ['-e', '0']);
    await new Promise((resolve) => gone.once('exit', resolve));
    leave({ pid: gone.pid ?? 0, identity: 'of long ago' });
    const late = await take();
    expect(late).toMatchObject({ predecessorDied: true, predecessorSilent: false });
    writeFileSync(file, 'another holder');
    late.release();
    expect(readFileSync(file, 'utf8')).toBe('another holder');
  });

  test('is taken over when its process number belongs to another process now', async () => {
    leave({ identity: 'an earlier process' });
    expect((await take()).predecessorDied).toBe(true);
  });

  test.each(['', '{', 'null', '{"pid":"1"}'])('with the content %j, cut by a crash, is taken over', async (content) => {
    (await take()).release();
    writeFileSync(file, content);
    expect((await take()).predecessorDied).toBe(true);
  });

  test('that cannot be written fails with one line', async () => {
    const folder = join(temporaryDirectory('lock'), 'file');
    writeFileSync(folder, '');
    await expect(lockDataDirectory(join(folder, 'sink.lock'), ports())).rejects.toThrow(
      /the data directory cannot be written .* data_dir/,
    );
  });

  describe.each([
    ['of another host', OTHER_HOST, 'on web-1'],
    ['of a container with the same host name and process number', OTHER_CONTAINER, 'of another container'],
  ])('%s, without a lock of the kernel,', (_, place, where) => {
    test('is held as long as it has heartbeats: a start waits, says so, and is refused', async () => {
      withoutFlock();
      await take({ place });
      const warn = vi.fn();
      await expect(take({ log: { ...silentLog, warn } })).rejects.toThrow(
        `another sink (process ${String(process.pid)} ${where}) is running`,
      );
      expect(warn).toHaveBeenCalledExactlyOnceWith(
        expect.objectContaining({ file }),
        expect.stringMatching(
          /^another sink .* has the lock of data_dir: it counts as dead after 2 s without a heartbeat$/,
        ),
      );
    });

    test('is taken over once it was silent for long enough, and not before', async () => {
      withoutFlock();
      leave(place);
      const { ms, value } = await timed(take());
      expect(value).toMatchObject({ predecessorDied: true, predecessorSilent: true, descriptor: null });
      expect(ms).toBeGreaterThanOrEqual(TIMES.staleMs);
    });
  });

  test('that had its last heartbeat long ago is taken over without a wait', async () => {
    leave(OTHER_HOST, 3_600_000);
    const { ms } = await timed(take({ times: { beatMs: 2_000, staleMs: 60_000 } }));
    expect(ms).toBeLessThan(30_000);
  });

  test('is free at once, also for another host, after a sink whose processes had to be killed', async () => {
    (await take({ place: OTHER_HOST })).release('killed');
    const { ms, value } = await timed(take({ times: { beatMs: 2_000, staleMs: 60_000 } }));
    expect(value).toMatchObject({ predecessorDied: true, predecessorSilent: false });
    expect(ms).toBeLessThan(30_000);
  });

  test('of an earlier release, which had no heartbeat, is held by a process of this host that lives', async () => {
    const { pid, identity, host } = newHolder(HERE, null);
    writeFileSync(file, JSON.stringify({ pid, identity, host }));
    await expect(take()).rejects.toThrow('is running');
    writeFileSync(file, JSON.stringify({ pid, identity: 'of long ago', host }));
    utimesSync(file, 1, 1);
    expect((await take()).predecessorDied).toBe(true);
  });

  test('that is lost while its holder is silent says so, and the holder writes nothing to it any more', async () => {
    withoutFlock();
    const paused = await take({ place: OTHER_HOST });
    const theirs = JSON.stringify(newHolder(HERE, null));
    rmSync(file);
    writeFileSync(file, theirs);
    await eventually(() => expect(paused.lost.aborted).toBe(true));
    utimesSync(file, 1, 1);
    await new Promise((resolve) => setTimeout(resolve, 4 * TIMES.beatMs));
    paused.release();
    expect(readFileSync(file, 'utf8')).toBe(theirs);
    expect(statSync(file).mtimeMs).toBe(1_000);
  });

  test('is made again by its holder when its file was deleted', async () => {
    const lock = await take();
    const before = readFileSync(file, 'utf8');
    rmSync(file);
    await eventually(() => expect(readFileSync(file, 'utf8')).toBe(before));
    expect(lock.lost.aborted).toBe(false);
  });

  test('stops waiting when it is told to', async () => {
    withoutFlock();
    leave(OTHER_HOST);
    const stopping = new AbortController();
    const waiting = lockDataDirectory(file, ports({ signal: stopping.signal, times: { beatMs: 50, staleMs: 60_000 } }));
    stopping.abort();
    expect(await waiting).toBeNull();
  });

  test('is taken by one of many that start at once after a dead sink', async () => {
    withoutFlock();
    leave(OTHER_HOST, 3_600_000);
    const starts = Array.from({ length: 8 }, (_, index) =>
      take({ place: { host: `host-${String(index)}`, boot: String(index), pidNamespace: '' } }),
    );
    const outcomes = await Promise.allSettled(starts);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(errors.every((error) => error instanceof DataDirectoryInUse && error.isElsewhere)).toBe(true);
    expect(readdirSync(dirname(file)).filter((name) => /lock\.[0-9a-f]+$/.test(name))).toEqual([]);
  });

  describe.runIf(hasFlock)('with a lock of the kernel', () => {
    test('is held by a container that is paused, whose heartbeat ended long ago', async () => {
      const paused = await take({ place: OTHER_CONTAINER, times: { ...TIMES, beatMs: 3_600_000 } });
      utimesSync(file, 1, 1);
      await expect(take()).rejects.toThrow('of another container) is running');
      expect(paused.lost.aborted).toBe(false);
    });

    test('is held by a redis-server that has inherited it, until that has ended', async () => {
      const first = await take({ place: OTHER_CONTAINER });
      const redis = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', first.descriptor ?? 'ignore'] });
      await new Promise((resolve) => redis.once('spawn', resolve));
      first.release();
      expect(existsSync(file)).toBe(false);
      await expect(take()).rejects.toThrow('a process of another sink is running');
      redis.kill('SIGKILL');
      expect((await take({ times: { ...TIMES, staleMs: 10_000 } })).predecessorDied).toBe(false);
    });

    test('of a container that was killed is taken over at once', async () => {
      (await take()).release();
      const own = (await take()).descriptor;
      expect(own).not.toBeNull();
      const { kernelLock = null } = holder() ?? {};
      for (const lock of taken.splice(0)) lock.release();
      leave({ ...OTHER_CONTAINER, kernelLock });
      const { ms, value } = await timed(take({ times: { beatMs: 2_000, staleMs: 60_000 } }));
      expect(value).toMatchObject({ predecessorDied: true, predecessorSilent: false });
      expect(ms).toBeLessThan(30_000);
    });

    test('is not believed to be free when the file that it was on was deleted', async () => {
      await take({ place: OTHER_CONTAINER });
      rmSync(`${file}.kernel`);
      await expect(take()).rejects.toThrow('of another container) is running');
    });

    test('waits for what a dead sink of this place left running, after it was told to stop', async () => {
      const first = await take();
      const left = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', first.descriptor ?? 'ignore'] });
      await new Promise((resolve) => left.once('spawn', resolve));
      const { kernelLock = null } = holder() ?? {};
      first.release();
      leave({ identity: 'an earlier process', kernelLock });
      await expect(take()).rejects.toThrow('is running');
      const second = await take({ stopLeftovers: () => Promise.resolve(void left.kill('SIGKILL')) });
      expect(second.predecessorDied).toBe(true);
    });

    test('counts as unavailable when flock fails for another reason', async () => {
      const bin = temporaryDirectory('bin');
      writeFileSync(join(bin, 'flock'), '#!/bin/sh\necho "flock: 3: No locks available" >&2\nexit 1\n', {
        mode: 0o755,
      });
      vi.stubEnv('PATH', bin);
      expect((await take()).descriptor).toBeNull();
    });
  });
});

test('a process has an identity as long as it lives', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
  await new Promise((resolve) => child.once('spawn', resolve));
  const pid = child.pid ?? 0;
  const identity = processIdentity(pid);
  expect(identity).not.toBeNull();
  expect(identity).toBe(processIdentity(pid));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  expect(processIdentity(pid)).toBeNull();
});

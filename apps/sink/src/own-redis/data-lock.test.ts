import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { lockDataDirectory } from './data-lock.ts';
import { processIdentity } from './process-identity.ts';
import { StartError } from '../start-error.ts';

describe('the lock of a data directory', () => {
  let file: string;
  beforeEach(() => {
    file = join(temporaryDirectory('lock'), 'redis', 'sink.lock');
  });

  const leave = (holder: object): void => {
    lockDataDirectory(file).release();
    writeFileSync(file, JSON.stringify(holder));
  };

  test('is held by one sink at a time and is free after its release', () => {
    const lock = lockDataDirectory(file);
    expect(lock.predecessorDied).toBe(false);
    expect(() => lockDataDirectory(file)).toThrow(StartError);
    lock.release();
    expect(existsSync(file)).toBe(false);
    expect(lockDataDirectory(file).predecessorDied).toBe(false);
  });

  test('of a dead process is taken over, and a late release leaves the lock of another holder alone', async () => {
    const gone = spawn(process.execPath, ['-e', '0']);
    await new Promise((resolve) => gone.once('exit', resolve));
    leave({ pid: gone.pid, identity: 'of long ago', host: hostname() });
    const late = lockDataDirectory(file);
    expect(late.predecessorDied).toBe(true);
    writeFileSync(file, 'another holder');
    late.release();
    expect(readFileSync(file, 'utf8')).toBe('another holder');
  });

  test('is taken over when its process number belongs to another process now', () => {
    leave({ pid: process.pid, identity: 'an earlier process', host: hostname() });
    expect(lockDataDirectory(file).predecessorDied).toBe(true);
  });

  test('of a container that was replaced is taken over', () => {
    leave({ pid: process.pid, identity: processIdentity(process.pid), host: 'the-pod-before' });
    expect(lockDataDirectory(file).predecessorDied).toBe(true);
  });

  test.each(['', '{', 'null', '{"pid":"1"}'])('with the content %j, cut by a crash, is taken over', (content) => {
    lockDataDirectory(file).release();
    writeFileSync(file, content);
    expect(lockDataDirectory(file).predecessorDied).toBe(true);
  });

  test('that cannot be written fails with one line', () => {
    const folder = join(temporaryDirectory('lock'), 'file');
    writeFileSync(folder, '');
    expect(() => lockDataDirectory(join(folder, 'sink.lock'))).toThrow(
      /the data directory cannot be written .* data_dir/,
    );
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

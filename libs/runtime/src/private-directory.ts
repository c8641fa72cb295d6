import { privateModes } from '@sink/domain';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { chmod, lstat, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Makes a directory below `data_dir` in which no other user may read events. If it exists, its modes stay as they are. Its
 * parents get the usual modes, because objects may be stored beside it.
 * @throws what the operating system answers
 */
export function makePrivateDirectory(directory: string): void {
  mkdirSync(dirname(directory), { recursive: true });
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw error;
  }
  const wanted = privateModes(statSync(directory).mode).directory;
  if (wanted !== 0o700) chmodSync(directory, wanted);
}

/**
 * Makes an existing directory private, with all that is in it: earlier releases let every user read it. Never fails: modes
 * that cannot be changed (another user's files, a file system without modes) stay as they are. Symbolic links are not
 * followed.
 */
export async function tightenDirectory(directory: string): Promise<void> {
  const status = await quietly(stat(directory));
  if (status === undefined) return;
  const modes = privateModes(status.mode);
  await setMode(directory, status.mode, modes.directory);
  for (const name of (await quietly(readdir(directory))) ?? []) {
    const path = join(directory, name);
    const inner = await quietly(lstat(path));
    if (inner?.isDirectory() === true) await tightenDirectory(path);
    else if (inner?.isFile() === true) await setMode(path, inner.mode, modes.file);
  }
}

async function setMode(path: string, now: number, wanted: number): Promise<void> {
  if ((now & 0o7777) !== wanted) await quietly(chmod(path, wanted));
}

async function quietly<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch {
    return undefined;
  }
}

/** Writes a new file that is private in its directory. @throws what the operating system answers; EEXIST */
export function writePrivateFile(path: string, text: string): void {
  writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
  const { file } = privateModes(statSync(dirname(path)).mode);
  if (file !== 0o600) chmodSync(path, file);
}

/** The umask of a program that writes into a private directory. */
export function privateUmask(directory: string): number {
  return ~privateModes(statSync(directory).mode).directory & 0o777;
}

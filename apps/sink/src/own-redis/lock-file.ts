import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { writePrivateFile } from '@sink/runtime';

/** What file systems without hard links answer. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

export interface LockFile {
  readonly text: string;
  /** When its holder last wrote to it, by the clock of the file system. */
  readonly beatMs: number;
}

/** Null when there is none. */
export function readLockFile(file: string): LockFile | null {
  try {
    const { mtimeMs } = statSync(file);
    return { text: readFileSync(file, 'utf8'), beatMs: mtimeMs };
  } catch {
    return null;
  }
}

/** The file appears with its whole text, so that no process reads a part of it. False when there is one already. */
export function createLockFile(file: string, text: string): boolean {
  const whole = besides(file);
  writePrivateFile(whole, text);
  try {
    linkSync(whole, file);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    // A file server may answer a repeated call after it has done the first.
    if (code === 'EEXIST') return readLockFile(file)?.text === text;
    if (!NO_LINKS.includes(code)) throw error;
    return createAtOnce(file, text);
  } finally {
    rmSync(whole, { force: true });
  }
}

function createAtOnce(file: string, text: string): boolean {
  try {
    writePrivateFile(file, text);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Replaces the file of a holder that is dead. False when another process was quicker. */
export function takeOverLockFile(file: string, expected: string, text: string): boolean {
  const aside = besides(file);
  try {
    renameSync(file, aside);
  } catch {
    return false;
  }
  if (readLockFile(aside)?.text !== expected) {
    renameSync(aside, file);
    return false;
  }
  rmSync(aside, { force: true });
  return createLockFile(file, text);
}

/** Replaces the holder's own file at once. */
export function replaceLockFile(file: string, text: string): void {
  const next = besides(file);
  writePrivateFile(next, text);
  renameSync(next, file);
}

/** The heartbeat: writes the same text again, which sets the time of the file by the clock of the file system. */
export async function beatLockFile(file: string, text: string): Promise<'beaten' | 'missing' | 'lost'> {
  let handle;
  try {
    handle = await open(file, 'r+');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'missing';
    throw error;
  }
  try {
    // Another holder puts a file of its own in the place of this one, and never writes into it.
    if ((await handle.readFile('utf8')) !== text) return 'lost';
    await handle.write(text, 0);
    return 'beaten';
  } finally {
    await handle.close();
  }
}

/** Now, by the clock of the file system. */
export function fileSystemMs(file: string): number {
  const probe = besides(file);
  writePrivateFile(probe, '');
  try {
    return statSync(probe).mtimeMs;
  } finally {
    rmSync(probe, { force: true });
  }
}

function besides(file: string): string {
  return `${file}.${randomBytes(6).toString('hex')}`;
}

import { privateModes, type PrivateModes } from '@sink/domain';
import { chmod, link, mkdir, open, readdir, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** An open file, as a FileHandle of Node is one. */
export interface OpenFile {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  writev(buffers: readonly Buffer[]): Promise<{ readonly bytesWritten: number }>;
  stat(): Promise<{ readonly size: number }>;
  /** Makes the file's bytes durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileStatus {
  readonly bytes: number;
  /** Unix time of the last change, in milliseconds. */
  readonly modifiedMs: number;
}

/**
 * Every call that the spool makes to the file system. The calls reject with the errors of Node: `code` is the operating
 * system's name of the error, such as ENOENT.
 */
export interface FileSystem {
  /** Makes the directory and its parents; does nothing if it exists. */
  mkdir(path: string): Promise<void>;
  /** Opens a file for reading, or creates a new one for writing (EEXIST if there is one). */
  open(path: string, purpose: 'read' | 'create'): Promise<OpenFile>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  readdir(path: string): Promise<readonly { readonly name: string; readonly isDirectory: boolean }[]>;
  stat(path: string): Promise<FileStatus>;
  link(existingPath: string, newPath: string): Promise<void>;
  rename(oldPath: string, newPath: string): Promise<void>;
  /** Removes a file; does nothing if there is none. */
  remove(path: string): Promise<void>;
  /** Removes an empty directory. */
  rmdir(path: string): Promise<void>;
  /** The disk that holds a path; `freeBytes` is what this process may still use of it. */
  disk(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}

/** What a new file or directory has until it is known whether the group has access: no access for anyone else. */
const USER_FILE = 0o600;
const USER_DIRECTORY = 0o700;

/** The file system of this machine. */
export const NODE_FILE_SYSTEM: FileSystem = {
  mkdir: async (path) => {
    await mkdir(dirname(path), { recursive: true });
    if ((await nullIfExists(mkdir(path, USER_DIRECTORY))) === null) return;
    const { directory } = await modesIn(path);
    if (directory !== USER_DIRECTORY) await chmod(path, directory);
  },
  open: async (path, purpose) => {
    if (purpose === 'read') return open(path, 'r');
    const file = await open(path, 'wx', USER_FILE);
    const { file: mode } = await modesIn(dirname(path));
    if (mode !== USER_FILE) await file.chmod(mode);
    return file;
  },
  syncDirectory: async (path) => {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  readdir: async (path) => {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
  },
  stat: async (path) => {
    const { size, mtimeMs } = await stat(path);
    return { bytes: size, modifiedMs: mtimeMs };
  },
  link,
  rename,
  remove: (path) => rm(path, { force: true }),
  rmdir: (path) => rmdir(path),
  disk: async (path) => {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  },
};

/** Awaits a call about a file that may not exist: null instead of ENOENT. */
export async function nullIfMissing<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function nullIfExists(call: Promise<void>): Promise<true | null> {
  try {
    await call;
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return null;
    throw error;
  }
}

async function modesIn(directory: string): Promise<PrivateModes> {
  return privateModes((await stat(directory)).mode);
}

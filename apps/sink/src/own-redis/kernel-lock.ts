import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { writePrivateFile } from '@sink/runtime';

/** `flock` asks the file server on a network file system, which may not answer. */
const FLOCK_TIMEOUT_MS = 5_000;

export type KernelLock =
  | { readonly kind: 'taken'; readonly descriptor: number; readonly inode: number }
  | { readonly kind: 'held' }
  /** There is no `flock` program, or the file system has no such locks. */
  | { readonly kind: 'unavailable' };

/**
 * Takes the kernel's lock of a file (flock(2)), which holds across containers and namespaces, and on network file systems
 * that support it across hosts. It belongs to the open file, so that it lasts as long as any process has the descriptor:
 * the redis-server that inherits it keeps it, whatever becomes of the supervisor. The kernel frees it when the last of
 * them has ended; no process can have died with it.
 *
 * Node has no flock(2). The `flock` program of util-linux or BusyBox locks a descriptor that it is given, and leaves the
 * lock behind when it exits.
 * @throws what the operating system answers
 */
export function takeKernelLock(file: string): KernelLock {
  const descriptor = openLockFile(file);
  const { status, stderr } = spawnSync('flock', ['-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
    encoding: 'utf8',
    timeout: FLOCK_TIMEOUT_MS,
  });
  if (status === 0) return { kind: 'taken', descriptor, inode: fstatSync(descriptor).ino };
  closeSync(descriptor);
  // Any other failure prints its reason. BusyBox exits with 1 for all of them.
  return { kind: status === 1 && stderr === '' ? 'held' : 'unavailable' };
}

/** NFS wants a file that is open for writing. */
function openLockFile(file: string): number {
  try {
    writePrivateFile(file, '');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return openSync(file, 'r+');
}

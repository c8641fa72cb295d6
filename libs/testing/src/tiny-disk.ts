import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary-directory.ts';

const DISK_BYTES = 4 * 1024 * 1024;

/** A file system of 4 MiB. */
export interface TinyDisk {
  readonly path: string;
  /** Takes all room that is left; the returned function frees it. */
  fill(): () => void;
  unmount(): void;
}

/** Null where no file system may be mounted (only on Linux, as root). */
export function mountTinyDisk(): TinyDisk | null {
  const path = temporaryDirectory('tiny-disk');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return null;
  }
  const filler = join(path, 'filler');
  return {
    path,
    fill() {
      try {
        writeFileSync(filler, Buffer.alloc(DISK_BYTES + 1));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return () => rmSync(filler);
        throw error;
      }
      throw new Error(`${path} has room for more than ${DISK_BYTES} bytes`);
    },
    unmount: () => void execFileSync('umount', ['--lazy', path]),
  };
}

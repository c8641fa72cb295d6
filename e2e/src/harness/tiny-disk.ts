import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';

const BLOCK = Buffer.alloc(1024 * 1024);

/** A small file system that can be filled to the last byte, and grown. */
export class TinyDisk {
  readonly directory: string;
  readonly #filler: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.#filler = join(directory, 'filler');
  }

  /** Null where it cannot be mounted: mounting needs Linux and root. */
  static mount(megabytes: number): TinyDisk | null {
    const directory = temporaryDirectory('tiny-disk');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory], { stdio: 'ignore' });
      return new TinyDisk(directory);
    } catch {
      return null;
    }
  }

  /** To the last byte. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (let block = BLOCK; block.length > 0;) {
        const written = tryWrite(file, block);
        // The rest may be smaller than a block.
        if (written === 0) block = block.subarray(0, Math.floor(block.length / 2));
      }
    } finally {
      closeSync(file);
    }
  }

  /** At no moment less than `megabytes` are left free. */
  fillBut(megabytes: number): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (;;) {
        const { bavail, bsize } = statfsSync(this.directory);
        const roomBytes = bavail * bsize - megabytes * BLOCK.length;
        if (roomBytes < bsize) return;
        writeSync(file, BLOCK.subarray(0, Math.min(BLOCK.length, roomBytes)));
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  grow(megabytes: number): void {
    execFileSync('mount', ['-o', `remount,size=${megabytes}m`, this.directory], { stdio: 'ignore' });
  }

  unmount(): void {
    execFileSync('umount', ['--lazy', this.directory], { stdio: 'ignore' });
  }
}

function tryWrite(file: number, block: Buffer): number {
  try {
    return writeSync(file, block);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return 0;
    throw error;
  }
}

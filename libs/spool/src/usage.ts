import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { listInstances } from './spool.ts';
import { attempting } from './spool-error.ts';

/** Bytes of all files of all instances in a spool directory. Looks at each of them: some 10 microseconds a file. */
export async function spoolBytes(directory: string): Promise<number> {
  let bytes = 0;
  for (const instance of await listInstances(directory)) {
    const names = await readdir(join(directory, instance)).catch(() => []);
    for (const name of names) {
      // Files come and go while we look.
      bytes += await stat(join(directory, instance, name)).then(
        ({ size }) => size,
        () => 0,
      );
    }
  }
  return bytes;
}

/** The disk that a directory stands on, in bytes; `freeBytes` is what we may still take of it. */
export async function diskOf(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
  return attempting(`looking at the disk of ${directory}`, async () => {
    const { bavail, blocks, bsize } = await statfs(directory);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  });
}

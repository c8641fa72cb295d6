import { lstatSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SinkConfig } from '@sink/config';
import { usableMemoryBytes } from '@sink/runtime';
import { type DiskPlan, planDisk, type Volume } from './disk-plan.ts';
import { maxmemoryFor } from './redis-conf.ts';

const BLOCK_BYTES = 512;

/** Free bytes of the volume that holds a path; null where the system does not say. */
export function freeBytes(path: string): number | null {
  return statistics(path)?.freeBytes ?? null;
}

/** How the volume of `data_dir` is divided. Null where the system does not say how large it is. */
export function planVolume(config: SinkConfig): DiskPlan | null {
  const volume = readVolume(config.dataDir);
  return volume === null ? null : planDisk(config, volume, maxmemoryFor(usableMemoryBytes()));
}

/** For a warning; null when no default is lowered. */
export function describeLowered({ lowered }: DiskPlan): string | null {
  if (lowered.length === 0) return null;
  return `the volume of data_dir is small: these defaults are lowered to fit it: ${lowered.join(', ')}`;
}

function readVolume(dataDir: string): Volume | null {
  const found = statistics(dataDir);
  if (found === null) return null;
  const ownBytes = bytesBelow(join(dataDir, 'redis')) + bytesBelow(join(dataDir, 'spool'));
  return { totalBytes: found.totalBytes, availableBytes: found.freeBytes + ownBytes };
}

/** Bytes that the files below a folder take on disk. */
export function bytesBelow(folder: string, matches: (name: string) => boolean = () => true): number {
  return filesBelow(folder)
    .filter(matches)
    .reduce((sum, file) => sum + allocatedBytes(file), 0);
}

/** What a redis-server that died left in its folder while it rewrote its file: no other process removes it. */
export function removeLeftovers(redisDirectory: string): void {
  for (const file of filesBelow(redisDirectory)) {
    if (/[\\/]temp-[^\\/]*\.(aof|rdb)$/.test(file)) rmSync(file, { force: true });
  }
}

/** Files that a dead batcher was filling: their events are in Redis. For the start, when no batcher runs. */
export function removeOpenSegments(spool: string): void {
  for (const file of filesBelow(spool)) if (file.endsWith('.open')) rmSync(file, { force: true });
}

function statistics(path: string): { readonly totalBytes: number; readonly freeBytes: number } | null {
  try {
    const { bavail, blocks, bsize } = statfsSync(path);
    return blocks > 0 ? { totalBytes: blocks * bsize, freeBytes: bavail * bsize } : null;
  } catch {
    // The directory does not exist yet.
    return dirname(path) === path ? null : statistics(dirname(path));
  }
}

function filesBelow(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

/** A file that is gone takes nothing. */
function allocatedBytes(file: string): number {
  const status = lstatSync(file, { throwIfNoEntry: false });
  return status === undefined ? 0 : status.blocks * BLOCK_BYTES;
}

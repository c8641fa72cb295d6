import type { Compression } from '@sink/domain';
import type { FileHandle } from 'node:fs/promises';
import { access, mkdir, open, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './directory.ts';
import { instanceDirectory, isName, parseFileName, segmentPath, type SegmentState, type SpoolFile } from './paths.ts';
import { SegmentWriter } from './segment-writer.ts';
import { attempting, errnoOf, SpoolError } from './spool-error.ts';

export interface SegmentOptions {
  /** New at every attempt; `[A-Za-z0-9-]{1,128}`. */
  readonly segmentId: string;
  readonly compression: Compression;
  /** 1..9 with gzip, 1..22 with zstd, without effect with none; else COMPRESSION_LEVEL_DEFAULT. */
  readonly compressionLevel?: number | undefined;
}

/** The spool of one batcher instance, `<directory>/<instance>/`. All calls reject with SpoolError. */
export interface Spool {
  /** The directory of all instances. */
  readonly directory: string;
  readonly instance: string;
  /** @throws SpoolError `spool_gone`, `disk_full`, `segment_exists`, …; RangeError for a wrong compression level */
  createSegment(options: SegmentOptions): Promise<SegmentWriter>;
  /** Discards every segment of this spool that is not sealed yet. */
  discardAll(): Promise<void>;
  /** The instances that have a directory beside ours; ours is among them. */
  instances(): Promise<string[]>;
  /** Discards what is not sealed, and removes the directory if that leaves it empty. */
  close(): Promise<void>;
}

/**
 * Makes, durably, a directory for this instance.
 * @param directory `<dataDir>/spool`; made if it is not there.
 * @param instance The consumer name, new at every process start; `[A-Za-z0-9-]{1,128}`.
 */
export async function openSpool(directory: string, instance: string): Promise<Spool> {
  const own = instanceDirectory(directory, instance);
  const action = `opening spool ${own}`;
  await attempting(action, async () => {
    await mkdir(own, { recursive: true });
    await syncDirectory(directory);
    await syncDirectory(dirname(directory));
  });

  const writers = new Set<SegmentWriter>();
  const syncOwn = shared(() => syncDirectory(own));
  const discardAll = async (): Promise<void> => {
    const results = await Promise.allSettled([...writers].map((writer) => writer.discard()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  };
  return {
    directory,
    instance,
    createSegment: async ({ segmentId, compression, compressionLevel }) => {
      const openPath = segmentPath(directory, instance, segmentId, 'open');
      const sealedPath = segmentPath(directory, instance, segmentId, 'sealed');
      const creating = `creating segment file ${openPath}`;
      const file = await attempting(creating, () => createFile(openPath, sealedPath, creating));
      try {
        const writer: SegmentWriter = new SegmentWriter({
          ...{ segmentId, compression, compressionLevel, file, openPath, sealedPath },
          syncDirectory: syncOwn,
          onSettled: () => writers.delete(writer),
        });
        writers.add(writer);
        return writer;
      } catch (error) {
        await file.close();
        await rm(openPath, { force: true });
        throw error;
      }
    },
    discardAll,
    instances: () => listInstances(directory),
    close: async () => {
      await discardAll();
      await removeInstanceIfEmpty(directory, instance);
    },
  };
}

/** The instances that have a directory in the spool; files that are not ours are passed over. */
export async function listInstances(directory: string): Promise<string[]> {
  return attempting(`listing spool ${directory}`, async () => {
    const entries = await noneIfMissing(() => readdir(directory, { withFileTypes: true }));
    return entries.filter((entry) => entry.isDirectory() && isName(entry.name)).map((entry) => entry.name);
  });
}

/** The segment files of an instance; none when its directory is gone. Files that are not ours are passed over. */
export async function listInstance(directory: string, instance: string): Promise<SpoolFile[]> {
  const path = instanceDirectory(directory, instance);
  return attempting(`listing spool ${path}`, async () => {
    const entries = await noneIfMissing(() => readdir(path));
    return entries.map(parseFileName).filter((file) => file !== null);
  });
}

/** Removes a file in this state, and in no other; it may be gone already. */
export async function removeFile(
  directory: string,
  instance: string,
  segmentId: string,
  state: SegmentState,
): Promise<void> {
  const path = segmentPath(directory, instance, segmentId, state);
  await attempting(`removing segment file ${path}`, () => rm(path, { force: true }));
}

/** Removes the directory of an instance. False when something is still in it. */
export async function removeInstanceIfEmpty(directory: string, instance: string): Promise<boolean> {
  const path = instanceDirectory(directory, instance);
  return attempting(`removing spool ${path}`, async () => {
    try {
      await rmdir(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOTEMPTY' || errno === 'EEXIST') return false;
      if (errno !== 'ENOENT') throw error;
    }
    return true;
  });
}

async function createFile(openPath: string, sealedPath: string, action: string): Promise<FileHandle> {
  const file = await open(openPath, 'wx', 0o640);
  const sealedExists = await access(sealedPath).then(
    () => true,
    () => false,
  );
  if (!sealedExists) return file;
  await file.close();
  await rm(openPath, { force: true });
  throw new SpoolError('segment_exists', action, 'this segment is sealed already');
}

/** Calls that come while one runs share the next run: what they wait for may have come too late for the present one. */
function shared(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const start = (): Promise<void> => {
    next = undefined;
    running = run().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (!running) return start();
    next ??= running.then(start, start);
    return next;
  };
}

async function noneIfMissing<T>(list: () => Promise<T[]>): Promise<T[]> {
  try {
    return await list();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

import type { Compression } from '@sink/domain';
import { dirname } from 'node:path';
import { type FileSystem, nullIfMissing, type OpenFile } from './file-system.ts';
import { instanceDirectory, segmentPath } from './paths.ts';
import { SegmentWriter } from './segment-writer.ts';
import { attempting, errnoOf, SpoolError } from './spool-error.ts';

export interface SegmentOptions {
  /** New at every attempt; `[A-Za-z0-9-]{1,128}`. */
  readonly segmentId: string;
  readonly compression: Compression;
  /** 1..9 with gzip, 1..22 with zstd, without effect with none; default 1. */
  readonly compressionLevel?: number | undefined;
}

/**
 * The folder of one batcher instance, `<directory>/<instance>/`. All calls reject with SpoolError.
 *
 * The folder is made with the first segment, because the instance has a lease by then: the janitor of another instance
 * removes the empty folder of an instance without a lease.
 */
export class InstanceSpool {
  readonly instance: string;
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #writers = new Set<SegmentWriter>();
  readonly #syncFolder = shared(() => this.#files.syncDirectory(this.#folder));
  #opening: Promise<void> | null = null;

  /** @param instance new at every start of an instance; `[A-Za-z0-9-]{1,128}` */
  constructor(files: FileSystem, directory: string, instance: string) {
    this.#files = files;
    this.#directory = directory;
    this.instance = instance;
  }

  /** Makes the folder durably, if this was not done yet. After a failure the next call tries again. */
  async open(): Promise<void> {
    this.#opening ??= this.#open();
    try {
      await this.#opening;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }

  /** @throws SpoolError `spool_gone`, `disk_full`, `segment_exists`, …; RangeError for a wrong compression level */
  async createSegment({ segmentId, compression, compressionLevel }: SegmentOptions): Promise<SegmentWriter> {
    await this.open();
    const openPath = this.#path(segmentId, 'open');
    const sealedPath = this.#path(segmentId, 'sealed');
    const file = await this.#createFile(openPath, sealedPath);
    try {
      const writer: SegmentWriter = new SegmentWriter({
        segmentId,
        compression,
        compressionLevel,
        file,
        files: this.#files,
        openPath,
        sealedPath,
        syncFolder: this.#syncFolder,
        onSettled: () => this.#writers.delete(writer),
      });
      this.#writers.add(writer);
      return writer;
    } catch (error) {
      await file.close();
      await this.#files.remove(openPath);
      throw error;
    }
  }

  /** Removes a file that was sealed on disk and whose seal the lane refused. */
  async removeSealed(segmentId: string): Promise<void> {
    const path = this.#path(segmentId, 'sealed');
    await attempting(`removing segment file ${path}`, () => this.#files.remove(path));
  }

  /** Discards what is not sealed, and removes the folder if it is empty then. */
  async close(): Promise<void> {
    const opened = await this.#opening?.then(
      () => true,
      () => false,
    );
    if (opened !== true) return;
    const results = await Promise.allSettled([...this.#writers].map((writer) => writer.discard()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    await removeFolderIfEmpty(this.#files, this.#folder);
  }

  get #folder(): string {
    return instanceDirectory(this.#directory, this.instance);
  }

  #path(segmentId: string, state: 'open' | 'sealed'): string {
    return segmentPath(this.#directory, this.instance, segmentId, state);
  }

  async #open(): Promise<void> {
    const folder = this.#folder;
    await attempting(`opening spool ${folder}`, async () => {
      await this.#files.mkdir(folder);
      await this.#files.syncDirectory(this.#directory);
      await this.#files.syncDirectory(dirname(this.#directory));
    });
  }

  async #createFile(openPath: string, sealedPath: string): Promise<OpenFile> {
    const action = `creating segment file ${openPath}`;
    return attempting(action, async () => {
      const file = await this.#files.open(openPath, 'create');
      if ((await nullIfMissing(this.#files.stat(sealedPath))) === null) return file;
      await file.close();
      await this.#files.remove(openPath);
      throw new SpoolError('segment_exists', action, 'this segment is already sealed');
    });
  }
}

/** Removes an instance's folder; false when something is still in it. */
export async function removeFolderIfEmpty(files: FileSystem, folder: string): Promise<boolean> {
  return attempting(`removing spool ${folder}`, async () => {
    try {
      await nullIfMissing(files.rmdir(folder));
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOTEMPTY' || errno === 'EEXIST') return false;
      throw error;
    }
  });
}

/** Calls that come during a run share the next run: their change may have come too late for the run under way. */
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

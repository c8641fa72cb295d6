import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { classifyFileFailure, fileCode } from './file-failure.ts';
import { INCOMING, type FileBucketSettings } from './file-object-store.ts';
import type { ListedObject, ObjectReader } from './object-store.ts';
import { abortedError, ObjectStoreError } from './object-store-error.ts';

const pageObjects = 1000;

/** Lists and reads a directory of objects. */
export class FileObjectReader implements ObjectReader {
  readonly #directory: string;

  constructor(bucket: FileBucketSettings) {
    this.#directory = resolve(bucket.directory);
  }

  async list(prefix: string, after: string, signal: AbortSignal): Promise<readonly ListedObject[]> {
    return this.#guarded(`listing objects [bucket=file://${this.#directory}]`, signal, async () => {
      const page: ListedObject[] = [];
      for await (const key of this.#keys('', prefix, after)) {
        signal.throwIfAborted();
        const found = await stat(join(this.#directory, key)).catch(() => null);
        if (found?.isFile()) page.push({ key, objectBytes: found.size, etag: null, modifiedMs: found.mtimeMs });
        if (page.length === pageObjects) break;
      }
      return page;
    });
  }

  async get(key: string, signal: AbortSignal): Promise<Readable | null> {
    return this.#guarded(`reading object [bucket=file://${this.#directory}, key=${key}]`, signal, async () => {
      let file: FileHandle;
      try {
        file = await open(join(this.#directory, key), 'r');
      } catch (error) {
        if (fileCode(error) === 'ENOENT') return null;
        throw error;
      }
      return createReadStream('', { fd: file, signal });
    });
  }

  close(): void {
    // Nothing is open between calls.
  }

  /** The keys in `folder` ('' or ending in `/`) in order; skips folders that cannot contain a requested key. */
  async *#keys(folder: string, prefix: string, after: string): AsyncGenerator<string> {
    const entries = await readdir(join(this.#directory, folder), { withFileTypes: true }).catch(noneIfMissing);
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
    for (const name of names) {
      const key = `${folder}${name}`;
      if (key === `${INCOMING}/`) continue;
      const isFolder = key.endsWith('/');
      if (isFolder && (key.startsWith(prefix) || prefix.startsWith(key)) && (key > after || after.startsWith(key)))
        yield* this.#keys(key, prefix, after);
      if (!isFolder && key.startsWith(prefix) && key > after) yield key;
    }
  }

  async #guarded<T>(where: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      signal.throwIfAborted();
      return await work();
    } catch (error) {
      if (signal.aborted) throw abortedError(where, signal);
      const message = error instanceof Error ? error.message : String(error);
      throw new ObjectStoreError(`${where}: ${message}`, classifyFileFailure(error, this.#directory), error);
    }
  }
}

function noneIfMissing(error: unknown): never[] {
  if (fileCode(error) === 'ENOENT') return [];
  throw error;
}

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { BodyDamaged, BodyUnreadable, openBody } from './checked-body.ts';
import { classifyFileFailure, fileCode } from './file-failure.ts';
import type { ObjectPut, ObjectStore, ObjectStoreCheck, ObjectToPut, StoredObject } from './object-store.ts';
import { abortedError, keyTaken, ObjectStoreError } from './object-store-error.ts';

/** Objects as plain files. */
export interface FileBucketSettings {
  readonly kind: 'file';
  /** Absolute; created if it does not exist. */
  readonly directory: string;
}

/** The folder of files that are being written. It is in the bucket, so that they can be linked to their keys. */
export const INCOMING = '.incoming';

/** Files that a crash left in `.incoming` are removed when they are older than any attempt can be. */
const leftoverAgeMsMin = 24 * 60 * 60 * 1000;

/**
 * Objects as files `<directory>/<key>`, with the semantics of S3: an object appears complete and durable, or not at
 * all. A file is written to `.incoming`, fsynced and linked to its key without overwriting; then the directories are
 * fsynced. `.incoming` contains all incomplete files and is empty while nothing is written. If a file exists already,
 * the hash of its (decompressed) content decides whether it is the same object. Tags, metadata and locks are not kept.
 */
export class FileObjectStore implements ObjectStore {
  readonly #directory: string;
  readonly #incoming: string;

  constructor(bucket: FileBucketSettings) {
    this.#directory = resolve(bucket.directory);
    this.#incoming = join(this.#directory, INCOMING);
  }

  async put(object: ObjectToPut, signal: AbortSignal): Promise<ObjectPut> {
    const where = `putting object [bucket=file://${this.#directory}, key=${object.key}]`;
    const path = this.#pathOf(object.key, where);
    return this.#guarded(where, signal, async () => {
      const existing = await this.#compareExisting(path, object, signal, where);
      if (existing !== null) return existing;
      await makeDurableDirectory(this.#incoming);
      const temporary = join(this.#incoming, randomUUID());
      try {
        await writeDurably(temporary, object, signal);
        await makeDurableDirectory(dirname(path));
        signal.throwIfAborted();
        if (!(await placeWithoutOverwriting(temporary, path))) {
          const raced = await this.#compareExisting(path, object, signal, where);
          if (raced !== null) return raced;
          throw new ObjectStoreError(`${where}: the existing file was removed meanwhile`, {
            code: 'vanished',
            kind: 'transient',
          });
        }
      } finally {
        await rm(temporary, { force: true });
      }
      await this.#syncUpwards(dirname(path));
      return { etag: etagOf(object), existed: false };
    });
  }

  async find(key: string, contentHash: string, signal: AbortSignal): Promise<StoredObject | null> {
    const where = `looking for object [bucket=file://${this.#directory}, key=${key}]`;
    return this.#guarded(where, signal, async () => {
      const path = this.#pathOf(key, where);
      const found = await lstat(path).catch(unlessMissing);
      if (!found?.isFile() || (await contentHashOf(path, signal)) !== contentHash) return null;
      await this.#syncUpwards(dirname(path));
      return { etag: etagOf({ contentHash }), objectBytes: found.size };
    });
  }

  /**
   * Creates the directory if necessary, writes and removes a small file in it, and removes old files that crashes left.
   */
  async check(signal: AbortSignal): Promise<ObjectStoreCheck> {
    const where = `trying the directory [bucket=file://${this.#directory}]`;
    return this.#guarded(where, signal, async () => {
      await makeDurableDirectory(this.#incoming);
      const probe = join(this.#incoming, randomUUID());
      try {
        const file = await open(probe, 'wx');
        try {
          await file.writeFile('probe\n');
          await file.sync();
        } finally {
          await file.close();
        }
      } finally {
        await rm(probe, { force: true });
      }
      await this.#removeLeftovers(signal);
      return { location: this.#directory, warnings: [] };
    });
  }

  close(): void {
    // Nothing is open between calls.
  }

  /** Keys come from the sink's records, but no record may lead out of the directory. */
  #pathOf(key: string, where: string): string {
    const parts = key.split('/');
    const bad = parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'));
    if (bad || parts[0] === INCOMING) {
      const remedy = 'Correct `prefix`: keys in a file bucket must not contain empty parts, `.` or `..`.';
      throw new ObjectStoreError(`${where}: the key cannot be the name of a file`, {
        code: 'bad_key',
        kind: 'operator',
        remedy,
      });
    }
    return join(this.#directory, ...parts);
  }

  /** Null if there is no file. Throws `key_taken` if the file has other content. */
  async #compareExisting(
    path: string,
    object: ObjectToPut,
    signal: AbortSignal,
    where: string,
  ): Promise<ObjectPut | null> {
    const found = await lstat(path).catch(unlessMissing);
    if (found === null) return null;
    const same = found.isFile() && (await contentHashOf(path, signal)) === object.contentHash;
    if (!same) throw new ObjectStoreError(`${where}: another file has this key`, keyTaken);
    // An earlier attempt may have ended after it linked the file and before the file's name was durable.
    await this.#syncUpwards(dirname(path));
    const put = { etag: etagOf(object), existed: true };
    return object.describe === true ? { ...put, found: { objectBytes: found.size, checksum: null } } : put;
  }

  /** Makes the names durable, from a directory up to the bucket. */
  async #syncUpwards(from: string): Promise<void> {
    for (let directory = from; directory.length >= this.#directory.length; directory = dirname(directory)) {
      await syncDirectory(directory);
      if (directory === dirname(directory)) return;
    }
  }

  async #removeLeftovers(signal: AbortSignal): Promise<void> {
    for (const name of await readdir(this.#incoming)) {
      signal.throwIfAborted();
      const path = join(this.#incoming, name);
      const found = await stat(path).catch(unlessMissing);
      if (found !== null && Date.now() - found.mtimeMs > leftoverAgeMsMin) await rm(path, { force: true });
    }
  }

  async #guarded<T>(where: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      signal.throwIfAborted();
      return await work();
    } catch (error) {
      if (error instanceof ObjectStoreError) throw error;
      if (signal.aborted) throw abortedError(where, signal);
      if (error instanceof BodyDamaged || error instanceof BodyUnreadable) {
        const code = error instanceof BodyDamaged ? 'body_damaged' : 'body_unreadable';
        throw new ObjectStoreError(`${where}: ${error.message}`, { code, kind: 'damaged' }, error);
      }
      const message = error instanceof Error ? error.message : String(error);
      throw new ObjectStoreError(`${where}: ${message}`, classifyFileFailure(error, this.#directory), error);
    }
  }
}

/** Quoted as an ETag of S3, and equal for equal content. */
function etagOf(object: Pick<ObjectToPut, 'contentHash'>): string {
  return `"${object.contentHash.slice(0, 32)}"`;
}

async function writeDurably(path: string, object: ObjectToPut, signal: AbortSignal): Promise<void> {
  const body = openBody(object);
  const file = await open(path, 'wx');
  try {
    if (Buffer.isBuffer(body.content)) {
      await file.writeFile(body.content, { signal });
    } else {
      for await (const piece of addAbortSignal(signal, body.content)) await file.writeFile(piece as Buffer);
    }
    await file.sync();
  } catch (error) {
    throw body.failed.aborted && !signal.aborted ? body.failed.reason : error;
  } finally {
    body.close();
    await file.close();
  }
}

/** False if the target exists already. */
async function placeWithoutOverwriting(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    const code = fileCode(error);
    if (code === 'EEXIST') return false;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
  }
  // A file system without hard links (exFAT, some network mounts). Between the check and the rename, another process
  // may
  // create the same key. Its content is the same then, because the key contains the hash of the content.
  if ((await lstat(path).catch(unlessMissing)) !== null) return false;
  await rename(temporary, path);
  return true;
}

/** Creates a directory and its parents, and makes the names of the created ones durable. */
async function makeDurableDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let directory = path; directory.length >= first.length; directory = dirname(directory)) {
    await syncDirectory(dirname(directory));
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } catch (error) {
    // Some file systems do not support fsync of directories: names are durable without it, or not at all.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(fileCode(error))) throw error;
  } finally {
    await directory.close();
  }
}

/** SHA-256, in hex, of a file's decompressed content; null if it cannot be decompressed. */
async function contentHashOf(path: string, signal: AbortSignal): Promise<string | null> {
  const hash = createHash('sha256');
  const magic = await firstBytes(path);
  const source = createReadStream(path);
  if (!magic.startsWith('1f8b') && magic !== '28b52ffd') {
    await pipeline(source, hash, { signal });
    return hash.digest('hex');
  }
  try {
    await pipeline(source, magic === '28b52ffd' ? createZstdDecompress() : createGunzip(), hash, { signal });
    return hash.digest('hex');
  } catch (error) {
    if (fileCode(error).startsWith('Z_') || fileCode(error).startsWith('ZSTD_')) return null;
    throw error;
  }
}

async function firstBytes(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('hex', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function unlessMissing(error: unknown): null {
  if (fileCode(error) === 'ENOENT') return null;
  throw error;
}

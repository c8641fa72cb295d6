import {
  parseRecord,
  RECORD_VERSION,
  RecordUnreadable,
  type SealedSegment,
  type SegmentRecord,
  spoolCompressionOf,
} from '@sink/domain';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { crc32 as checksum } from 'node:zlib';
import { type FileSystem, NODE_FILE_SYSTEM, nullIfMissing } from './file-system.ts';
import { InstanceSpool, removeFolderIfEmpty } from './instance-spool.ts';
import { instanceDirectory, isName, parseFileName, segmentPath, type SegmentState, type SpoolFile } from './paths.ts';
import { openSegment, type SegmentFile } from './segment-file.ts';
import { attempting, SpoolError } from './spool-error.ts';
import { readOrMakeSpoolId } from './spool-id.ts';

/** The bytes of an object, as a spool file holds them. */
export interface SpooledObject {
  readonly body: Buffer | (() => Readable);
  /** Opens a part of a body that is no Buffer. */
  readonly range?: (from: number, to: number) => Readable;
  readonly objectBytes: number;
  readonly crc32: number;
}

/** What examine() found. */
export type ExaminedFile =
  /** Whole, unchanged, and the file of this segment. */
  | {
      readonly kind: 'sound';
      readonly state: SegmentState;
      readonly record: SegmentRecord;
      readonly object: SpooledObject;
    }
  | { readonly kind: 'missing' }
  /** `newer`: a newer release wrote it, and it must be left untouched. */
  | { readonly kind: 'damaged' | 'newer'; readonly problem: string };

export interface ExamineOptions {
  /** The segment as Redis knows it. Null: Redis does not know it, and the file can only be compared with itself. */
  readonly sealed: SealedSegment | null;
  /** Objects up to this size are read once and returned in memory; larger ones are verified and returned as streams. */
  readonly inMemoryBytesMax?: number;
}

/**
 * A spool directory, `<dataDir>/spool`: one folder for each batcher instance, with its segment files. Every process on the
 * same disk sees the same files, and they may change between any two calls. All calls reject with SpoolError.
 */
export class SpoolDirectory {
  readonly path: string;
  readonly #files: FileSystem;
  readonly #newId: () => string;

  constructor(path: string, files: FileSystem = NODE_FILE_SYSTEM, newId: () => string = randomUUID) {
    this.path = path;
    this.#files = files;
    this.#newId = newId;
  }

  /**
   * The id of this directory: random, made once, and the same for every process that sees the directory. A spilled record
   * names it, because only an uploader that sees the directory can upload its files.
   * @throws SpoolError `segment_damaged` if the id file does not hold an id
   */
  id(): Promise<string> {
    return readOrMakeSpoolId(this.#files, this.path, this.#newId);
  }

  /**
   * The same, or null where the disk has no room for the id file now. Only spilling needs the id.
   * @throws SpoolError for what needs an operator
   */
  async idOrNull(): Promise<string | null> {
    try {
      return await this.id();
    } catch (error) {
      if (error instanceof SpoolError && error.retryable) return null;
      throw error;
    }
  }

  /** The folder in which one instance writes. It is not made yet. */
  instance(instance: string): InstanceSpool {
    return new InstanceSpool(this.#files, this.path, instance);
  }

  /** Fails if segment files cannot be written here, and leaves nothing behind. */
  async tryWriting(): Promise<void> {
    const spool = this.instance(`try-${this.#newId()}`);
    await spool.open();
    await spool.close();
  }

  /** The instances that have a folder here. */
  async instances(): Promise<string[]> {
    const entries = await this.#list(this.path);
    return entries.filter(({ name, isDirectory }) => isDirectory && isName(name)).map(({ name }) => name);
  }

  /** The segment files of an instance; none if its folder is gone. Other files are ignored. */
  async files(instance: string): Promise<SpoolFile[]> {
    const entries = await this.#list(instanceDirectory(this.path, instance));
    return entries.map(({ name }) => parseFileName(name)).filter((file) => file !== null);
  }

  /** Unix time of the last change of a folder or of a file in it, in milliseconds; 0 if the folder is gone. */
  async modifiedMs(instance: string): Promise<number> {
    const folder = instanceDirectory(this.path, instance);
    const entries = await this.#list(folder);
    const statuses = await this.#statuses([folder, ...entries.map(({ name }) => join(folder, name))]);
    return Math.max(0, ...statuses.map(({ modifiedMs }) => modifiedMs));
  }

  /**
   * Opens the file of a sealed or spilled segment; null if there is none. The object's bytes are not verified.
   * @throws SpoolError `segment_damaged`, `segment_version`, …
   */
  open(instance: string, segmentId: string): Promise<SegmentFile | null> {
    return openSegment(this.#files, this.path, instance, segmentId);
  }

  /**
   * Reads every byte of a segment's file and decides whether it is sound: it has the checksums of its footer; its own record
   * agrees with the footer, and with where the file is; and that record is the one Redis has, if Redis has one. This is the
   * one meaning of "sound": the batcher deletes Redis' copy because of it, and the uploader uploads because of it.
   *
   * @throws SpoolError only if it is retryable
   */
  async examine(instance: string, segmentId: string, options: ExamineOptions): Promise<ExaminedFile> {
    try {
      const file = await this.open(instance, segmentId);
      if (file === null) return { kind: 'missing' };
      const record = parseRecord(file.recordJson);
      const problem = differenceOf(record, file, instance, options.sealed);
      if (problem !== null) return { kind: 'damaged', problem };
      const object = await readVerified(file, options.inMemoryBytesMax ?? 0);
      if (object === null) return { kind: 'damaged', problem: 'the checksum of its bytes does not match' };
      return { kind: 'sound', state: file.state, record, object };
    } catch (error) {
      return unsound(error);
    }
  }

  /**
   * Marks a sealed segment's file durably as spilled: it may be the only copy from now on, and remove() of a sealed file no
   * longer removes it.
   * @returns false if there is no such file
   */
  async mark(instance: string, segmentId: string): Promise<boolean> {
    if (await this.#changeState(instance, segmentId, 'sealed', 'spilled')) return true;
    const path = segmentPath(this.path, instance, segmentId, 'spilled');
    return attempting(`looking for segment file ${path}`, async () => {
      if ((await nullIfMissing(this.#files.stat(path))) === null) return false;
      // Another process marked it and may not have reached its fsync.
      await this.#files.syncDirectory(instanceDirectory(this.path, instance));
      return true;
    });
  }

  /**
   * Removes that mark; the object must be in the bucket.
   * @returns false if the file is not marked, or gone
   */
  unmark(instance: string, segmentId: string): Promise<boolean> {
    return this.#changeState(instance, segmentId, 'spilled', 'sealed');
  }

  /**
   * Sets a marked file aside for an operator.
   * @returns false if the file is not marked, or gone
   */
  quarantine(instance: string, segmentId: string): Promise<boolean> {
    return this.#changeState(instance, segmentId, 'spilled', 'quarantined');
  }

  /** Removes a file if it is in this state; it may be gone already. */
  async remove(instance: string, { segmentId, state }: SpoolFile): Promise<void> {
    const path = segmentPath(this.path, instance, segmentId, state);
    await attempting(`removing segment file ${path}`, () => this.#files.remove(path));
  }

  /** Removes the folder of an instance; false if something is still in it. */
  async removeIfEmpty(instance: string): Promise<boolean> {
    return removeFolderIfEmpty(this.#files, instanceDirectory(this.path, instance));
  }

  /** Bytes of all files of all instances. Looks at each file, some 10 microseconds each. */
  async usedBytes(): Promise<number> {
    let bytes = 0;
    for (const instance of await this.instances()) {
      const folder = instanceDirectory(this.path, instance);
      const entries = await this.#list(folder);
      for (const { name } of entries) {
        // One after the other: a spool of many files must not occupy the whole thread pool.
        for (const status of await this.#statuses([join(folder, name)])) bytes += status.bytes;
      }
    }
    return bytes;
  }

  /** The disk that holds this directory, in bytes; `freeBytes` is what this process may still use of it. */
  disk(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    return attempting(`looking at the disk of ${this.path}`, () => this.#files.disk(this.path));
  }

  async #list(path: string): Promise<readonly { readonly name: string; readonly isDirectory: boolean }[]> {
    return (await attempting(`listing spool ${path}`, () => nullIfMissing(this.#files.readdir(path)))) ?? [];
  }

  /** Of those that are there: files come and go meanwhile. */
  async #statuses(paths: readonly string[]): Promise<{ bytes: number; modifiedMs: number }[]> {
    const found = await Promise.all(paths.map((path) => this.#files.stat(path).catch(() => null)));
    return found.filter((status) => status !== null);
  }

  async #changeState(instance: string, segmentId: string, from: SegmentState, to: SegmentState): Promise<boolean> {
    const oldPath = segmentPath(this.path, instance, segmentId, from);
    const newPath = segmentPath(this.path, instance, segmentId, to);
    return attempting(`renaming segment file ${oldPath}`, async () => {
      const renamed = await nullIfMissing(this.#files.rename(oldPath, newPath).then(() => true));
      if (renamed === null) return false;
      await this.#files.syncDirectory(instanceDirectory(this.path, instance)); // rule: spool.state-synced
      return true;
    });
  }
}

/** Why this file is not the one it should be; null if it is. */
function differenceOf(
  own: SegmentRecord,
  file: SegmentFile,
  instance: string,
  sealed: SealedSegment | null,
): string | null {
  const agrees =
    own.id === file.segmentId &&
    own.spool === instance &&
    own.sha256 === file.sha256 &&
    own.bytes === file.contentBytes &&
    spoolCompressionOf(own) === file.compression;
  if (!agrees) return 'its record does not describe its content';
  if (sealed === null) return null;
  const same =
    own.id === sealed.id &&
    own.key === sealed.key &&
    own.spool === sealed.spool &&
    own.sha256 === sealed.sha256 &&
    own.bytes === sealed.bytes &&
    own.compression === sealed.compression &&
    bucketOf(own) === bucketOf(sealed);
  return same ? null : 'its record is not the one that was sealed';
}

/** The bucket for which it was sealed. */
function bucketOf(record: SealedSegment): string | null {
  return record.v === RECORD_VERSION ? null : (record.redirectedFrom ?? record.bucket);
}

/** Null if the bytes do not have their checksum. */
async function readVerified(file: SegmentFile, inMemoryBytesMax: number): Promise<SpooledObject | null> {
  const { objectBytes, crc32 } = file;
  if (objectBytes > inMemoryBytesMax) {
    if (!(await file.verify())) return null; // rule: spool.verified
    return { body: () => file.stream(), range: (from, to) => file.stream(from, to), objectBytes, crc32 };
  }
  const body = await file.read();
  return checksum(body) === crc32 ? { body, objectBytes, crc32 } : null;
}

/** @throws the error, if the same file may turn out sound when the call is repeated */
function unsound(error: unknown): ExaminedFile {
  if (error instanceof RecordUnreadable) {
    return { kind: error.code === 'record_version' ? 'newer' : 'damaged', problem: error.message };
  }
  if (!(error instanceof SpoolError) || error.retryable) throw error;
  if (error.code === 'spool_gone') return { kind: 'missing' };
  return { kind: error.code === 'segment_version' ? 'newer' : 'damaged', problem: error.message };
}

import { Backpressure } from './backpressure.ts';
import type { OpenFile } from './file-system.ts';
import { toSpoolError } from './spool-error.ts';

/** A write to the file gathers at least this much, except for the last one. */
const WRITE_BYTES_MIN = 256 * 1024;
/** The kernel takes at most 1,024 buffers in one call. */
const WRITE_BUFFERS_MIN = 1024;
const HELD_BYTES_MAX = 1024 * 1024;

export type WritableFile = Pick<OpenFile, 'writev'>;

/**
 * Appends buffers to a file in large vectors, one write at a time, in order. Buffers are written as they are, not
 * copied: the caller must not change one afterwards.
 */
export class FileSink {
  readonly #file: WritableFile;
  readonly #action: string;
  readonly #backpressure = new Backpressure(HELD_BYTES_MAX);
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #writing = false;
  #written: Promise<void> = Promise.resolve();

  /** @param action For error messages: "writing segment file /…". */
  constructor(file: WritableFile, action: string) {
    this.#file = file;
    this.#action = action;
  }

  /** Throws SpoolError when an earlier write failed. */
  append(bytes: Buffer): void {
    this.#backpressure.accepted(bytes.length);
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#worthWriting()) this.#run();
  }

  room(): Promise<void> | undefined {
    return this.#backpressure.room();
  }

  /** Resolves when everything appended so far was handed to the operating system. Rejects with SpoolError. */
  async flush(): Promise<void> {
    this.#flushing = true;
    try {
      while (this.#queue.length > 0 || this.#writing) {
        this.#run();
        await this.#written;
      }
    } finally {
      this.#flushing = false;
    }
    // Throws the failure of a write, if one failed.
    this.#backpressure.accepted(0);
  }

  /** Drops what is queued and resolves when no write is under way any more. Never rejects. */
  async abort(): Promise<void> {
    this.#backpressure.fail(toSpoolError(this.#action, new Error('it was discarded')));
    this.#queue = [];
    await this.#written;
  }

  #worthWriting(): boolean {
    return this.#queuedBytes >= WRITE_BYTES_MIN || this.#queue.length >= WRITE_BUFFERS_MIN;
  }

  #run(): void {
    if (this.#writing) return;
    this.#writing = true;
    this.#written = this.#write();
  }

  /** Never rejects: the backpressure keeps a failure, and every later call throws it. */
  async #write(): Promise<void> {
    try {
      while (this.#queue.length > 0 && (this.#flushing || this.#worthWriting())) {
        const vector = this.#queue;
        const vectorBytes = this.#queuedBytes;
        this.#queue = [];
        this.#queuedBytes = 0;
        await this.#writeWhole(vector, vectorBytes);
        this.#backpressure.passedOn(vectorBytes);
      }
    } catch (error) {
      this.#queue = [];
      this.#backpressure.fail(toSpoolError(this.#action, error));
    } finally {
      // Here, and not when the promise settles: no write would take what is appended in between.
      this.#writing = false;
    }
  }

  async #writeWhole(vector: readonly Buffer[], vectorBytes: number): Promise<void> {
    let rest = vector;
    let leftBytes = vectorBytes;
    while (leftBytes > 0) {
      // A write may be cut short, for instance on a disk that is nearly full.
      const { bytesWritten } = await this.#file.writev(rest);
      leftBytes -= bytesWritten;
      if (leftBytes > 0) rest = withoutFirst(rest, bytesWritten);
    }
  }
}

function withoutFirst(vector: readonly Buffer[], bytes: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = bytes;
  for (const buffer of vector) {
    if (skip < buffer.length) rest.push(buffer.subarray(skip));
    skip = Math.max(0, skip - buffer.length);
  }
  return rest;
}

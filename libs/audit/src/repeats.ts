import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FINGERPRINT_BYTES } from '@sink/lane';

const ENTRY_BYTES = FINGERPRINT_BYTES + 4;
/** With 10^9 events each of the files has 80 MB. */
const FILES = 256;
/** The bytes that are collected for a file before they are written. */
const BUFFER_BYTES = 400 * ENTRY_BYTES;

export interface Repeat {
  readonly fingerprint: Buffer;
  /** The numbers of two objects that contain the event; twice the same when one object contains it twice. */
  readonly objects: readonly [number, number];
}

/**
 * Finds fingerprints that occur more than once, among any number. It writes them to files by their first byte, 20 bytes
 * each, and then searches one file at a time in memory.
 */
export class Repeats {
  readonly #directory: string;
  readonly #files: readonly FileHandle[];
  readonly #buffers = Array.from({ length: FILES }, () => Buffer.allocUnsafe(BUFFER_BYTES));
  readonly #filled = new Uint32Array(FILES);
  #written: Promise<void> = Promise.resolve();

  private constructor(directory: string, files: readonly FileHandle[]) {
    this.#directory = directory;
    this.#files = files;
  }

  /** @param parent the directory for the files; absent: the system's directory for temporary files */
  static async open(parent: string = tmpdir()): Promise<Repeats> {
    const directory = await mkdtemp(join(parent, 'sink-verify-'));
    const names = Array.from({ length: FILES }, (_, file) => join(directory, String(file)));
    return new Repeats(directory, await Promise.all(names.map((name) => open(name, 'a+', 0o600))));
  }

  /** The caller waits for a returned promise before it adds more. */
  add(fingerprint: Buffer, object: number): void | Promise<void> {
    const file = fingerprint[0] ?? 0;
    const buffer = this.#buffers[file];
    if (buffer === undefined) return;
    const at = this.#filled[file] ?? 0;
    fingerprint.copy(buffer, at);
    buffer.writeUInt32LE(object, at + FINGERPRINT_BYTES);
    this.#filled[file] = at + ENTRY_BYTES;
    if (at + ENTRY_BYTES === BUFFER_BYTES) return this.#flush(file);
  }

  async *find(): AsyncGenerator<Repeat> {
    for (let file = 0; file < FILES; file++) {
      await this.#flush(file);
      const entries = await readFile(join(this.#directory, String(file)));
      const order = new Uint32Array(entries.length / ENTRY_BYTES).map((_, index) => index * ENTRY_BYTES);
      order.sort((a, b) => entries.compare(entries, b, b + FINGERPRINT_BYTES, a, a + FINGERPRINT_BYTES) || a - b);
      for (let i = 1; i < order.length; i++) {
        const [before = 0, at = 0] = [order[i - 1], order[i]];
        if (entries.compare(entries, before, before + FINGERPRINT_BYTES, at, at + FINGERPRINT_BYTES) !== 0) continue;
        const objectAt = (start: number): number => entries.readUInt32LE(start + FINGERPRINT_BYTES);
        yield {
          fingerprint: entries.subarray(at, at + FINGERPRINT_BYTES),
          objects: [objectAt(before), objectAt(at)],
        };
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #flush(file: number): Promise<void> {
    const bytes = this.#filled[file] ?? 0;
    this.#filled[file] = 0;
    // Copied, because `add` reuses the buffer meanwhile. Written in sequence, because several objects are read at a
    // time.
    const full = Buffer.from(this.#buffers[file]?.subarray(0, bytes) ?? []);
    this.#written = this.#written.then(() => this.#files[file]?.appendFile(full));
    await this.#written;
  }
}

/** The first buffer, and by what part of itself one grows. */
const BYTES_MIN = 512;
const GROWTH = 1 / 4;

/**
 * The lines of a path that has few: in memory, uncompressed. They are copied, because a chunk's body keeps the whole answer
 * of Redis in memory that it was a part of.
 */
export class HeldContent {
  #buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory. */
  get capacity(): number {
    return this.#buffer.length;
  }

  append(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) this.#grow(length);
    bytes.copy(this.#buffer, this.#length);
    this.#length = length;
  }

  /** Everything that was appended; nothing is held any more. */
  release(): Buffer {
    const content = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return content;
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(BYTES_MIN, Math.ceil(length * (1 + GROWTH))));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

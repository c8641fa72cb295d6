/** Chunks in the first read, and in the first after a pause. */
const CHUNKS_AT_FIRST = 4;
/** What part of the size of a large chunk is remembered from read to read. */
const FADING = 0.9;

/**
 * How many chunks to ask for in one read. A read is bounded in chunks, not in bytes, and one chunk may hold an event of
 * 16 MB. So reads grow only while they come back full, and shrink to what the largest recent chunk allows.
 */
export class ReadPace {
  readonly #chunksMax: number;
  readonly #readBytes: number;
  #chunks: number;
  #largestBytes = 0;
  #trickling = false;

  /** @param readBytes bytes of bodies that one read is meant to bring */
  constructor(chunksMax: number, readBytes: number) {
    this.#chunksMax = chunksMax;
    this.#readBytes = readBytes;
    this.#chunks = Math.min(CHUNKS_AT_FIRST, chunksMax);
  }

  /** Chunks to ask for now, from 1. */
  get chunks(): number {
    return this.#chunks;
  }

  /** True if the last read brought something, but less than it asked for: the next chunks may gather first. */
  get trickling(): boolean {
    return this.#trickling;
  }

  /** @param bodiesBytes the size of each body that the last read brought */
  took(bodiesBytes: readonly number[]): void {
    this.#largestBytes = Math.max(1, this.#largestBytes * FADING, ...bodiesBytes);
    const full = bodiesBytes.length >= this.#chunks;
    this.#trickling = !full && bodiesBytes.length > 0;
    const wanted = full ? this.#chunks * 2 : Math.max(CHUNKS_AT_FIRST, Math.floor(this.#chunks / 2));
    this.#chunks = Math.max(1, Math.min(wanted, Math.floor(this.#readBytes / this.#largestBytes), this.#chunksMax));
  }
}

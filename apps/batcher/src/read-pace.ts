/** Bytes of bodies that one read is meant to bring. With 16 MiB the batcher takes 20 MB more memory, and as much CPU time. */
const READ_BYTES = 4 * 1024 * 1024;
/** Chunks asked for at first, and again after quiet. */
const CHUNKS_AT_FIRST = 4;
/** What is left, from read to read, of the memory of a large chunk. */
const FADING = 0.9;

/**
 * How many chunks to ask for in one read. A read is bounded in chunks, not in bytes, and a chunk may hold one event of
 * 16 MB: so reads grow only while they come back full, and shrink to what the largest chunk of late allows.
 */
export class ReadPace {
  readonly #chunksMax: number;
  #chunks: number;
  #largestBytes = 0;
  #trickling = false;

  constructor(chunksMax: number) {
    this.#chunksMax = chunksMax;
    this.#chunks = Math.min(CHUNKS_AT_FIRST, chunksMax);
  }

  /** Chunks to ask for now, from 1. */
  get chunks(): number {
    return this.#chunks;
  }

  /** True when the last read brought something, but less than it asked for: what comes next may as well gather first. */
  get trickling(): boolean {
    return this.#trickling;
  }

  /** What the last read brought: the bytes of each body. */
  took(bodiesBytes: readonly number[]): void {
    this.#largestBytes = Math.max(1, this.#largestBytes * FADING, ...bodiesBytes);
    const full = bodiesBytes.length >= this.#chunks;
    this.#trickling = !full && bodiesBytes.length > 0;
    const wanted = full ? this.#chunks * 2 : Math.max(CHUNKS_AT_FIRST, Math.floor(this.#chunks / 2));
    this.#chunks = Math.max(1, Math.min(wanted, Math.floor(READ_BYTES / this.#largestBytes), this.#chunksMax));
  }
}

import type { SegmentWriter } from '@sink/spool';

/** Content is weighed in pieces of this size: smaller ones compress worse than they do in the object. */
const WEIGHED_BYTES = 16 * 1024;
/** Content that is written at least before the size is looked at again. */
const PIECE_BYTES_MIN = 1024;
/** Nothing is known of the compression yet. */
const RATIO_GUESS = 0.2;
/** Of a large event, this much is weighed. */
const SAMPLE_BYTES = 128 * 1024;

export type MeasuredFile = Pick<SegmentWriter, 'progress' | 'caughtUp' | 'weigh'>;

/**
 * How large an object becomes while it is written, and how much more fits until it has its target.
 *
 * The codec has up to a block and its own buffers that are in no output yet. They count with the ratio so far; the last
 * block, which the codec does not have yet, is weighed, because it may be of another kind than all before. Nothing is ever
 * flushed for that: the bytes of an object follow from its content alone.
 */
export class ObjectSize {
  readonly #file: MeasuredFile;
  /** Where the block begins that is being weighed, how much of it was, and how large that is. */
  #block = { startByte: 0, bytes: 0, weighedBytes: 0 };

  constructor(file: MeasuredFile) {
    this.#file = file;
  }

  /**
   * Bytes of content that may be written before the next look; 0: the object has its target.
   * @param line the next event, which may be larger than what fits
   */
  async room(targetBytes: number, line: Buffer): Promise<number> {
    const { objectBytes, contentBytes, pendingBytes } = this.#file.progress;
    const surely = targetBytes - objectBytes - pendingBytes;
    if (surely >= Math.max(PIECE_BYTES_MIN, line.length)) return surely;
    await this.#file.caughtUp();
    await this.#weigh();
    const estimate = this.#estimate();
    const leftBytes = targetBytes - estimate.bytes;
    if (leftBytes <= 0) return 0;
    const pieceBytes = Math.min(Math.max(leftBytes / estimate.ratio, PIECE_BYTES_MIN), WEIGHED_BYTES);
    if (line.length <= pieceBytes) return pieceBytes;
    // An object has one event at least.
    if (contentBytes === 0) return line.length;
    // One event that is too large by more than what is missing without it begins the next object.
    const lineBytes = await this.#sizeOf(line);
    return lineBytes - leftBytes > leftBytes ? 0 : line.length;
  }

  /** Whether the object has its target, as far as that is known without weighing more. */
  hasReached(targetBytes: number): boolean {
    return this.#estimate().bytes >= targetBytes;
  }

  #estimate(): { readonly bytes: number; readonly ratio: number } {
    const { objectBytes, contentBytes, pendingBytes, partial } = this.#file.progress;
    const { bytes, weighedBytes } = this.#block;
    const madeOfBytes = contentBytes - pendingBytes;
    const weighed = bytes > 0 ? weighedBytes / bytes : undefined;
    const soFar = madeOfBytes > 0 ? objectBytes / madeOfBytes : (weighed ?? RATIO_GUESS);
    const ratio = weighed ?? soFar;
    const inCodec = (pendingBytes - partial.length) * soFar;
    return {
      bytes: objectBytes + inCodec + weighedBytes + (partial.length - bytes) * ratio,
      ratio: Math.max(ratio, soFar),
    };
  }

  /** Weighs what the last block has more than at the last look, when that is worth it. */
  async #weigh(): Promise<void> {
    const { contentBytes, partial } = this.#file.progress;
    const startByte = contentBytes - partial.length;
    if (this.#block.startByte !== startByte) this.#block = { startByte, bytes: 0, weighedBytes: 0 };
    const { bytes, weighedBytes } = this.#block;
    const unweighed = partial.subarray(bytes);
    if (unweighed.length < WEIGHED_BYTES) return;
    this.#block = {
      startByte,
      bytes: partial.length,
      weighedBytes: weighedBytes + (await this.#file.weigh(unweighed)),
    };
  }

  async #sizeOf(line: Buffer): Promise<number> {
    const sample = line.subarray(0, SAMPLE_BYTES);
    return ((await this.#file.weigh(sample)) / sample.length) * line.length;
  }
}

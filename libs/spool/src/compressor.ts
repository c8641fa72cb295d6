import type { Compression } from '@sink/domain';
import type { Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, createGzip, createZstdCompress, gzip, zstdCompress } from 'node:zlib';
import type { ZstdOptions } from 'node:zlib';
import { Backpressure } from './backpressure.ts';
import { toSpoolError } from './spool-error.ts';

/**
 * Input of the codec at a time. The codec's output may depend on how its input was cut, and the same content must become
 * the same bytes in every process, so the input is always cut at this size. A zstd block has the same size.
 */
const BLOCK_BYTES = 128 * 1024;
const OUTPUT_BYTES = 64 * 1024;
const HELD_BYTES_MAX = 1024 * 1024;
/** Less output than this is the header of the format, whose content is still in the codec. */
const HEADER_BYTES_MAX = 64;
/** Content is weighed at no higher level: it takes too long, and the little that it saves does not matter. */
const WEIGHING_LEVEL_MAX = 3;

/**
 * Used where no level is given. On events the higher levels cost two to four times the time for a few percent of
 * size. A change here changes the bytes (never the content) of objects that are rebuilt after an upgrade.
 */
const LEVEL_DEFAULT = 1;
const LEVEL_MAX: Readonly<Record<Exclude<Compression, 'none'>, number>> = { gzip: 9, zstd: 22 };

/** Takes the compressed bytes. If `room` fails, the compressor fails with the same error. */
export interface CompressedOutput {
  append(bytes: Buffer): void;
  room(): Promise<void> | undefined;
}

interface Block {
  readonly bytes: Buffer;
  /** The buffer that holds `bytes`, if it may be filled again; null for bytes that were not copied. */
  readonly spare: Buffer | null;
}

/**
 * Compresses on the thread pool. The output depends on the content, the codec and the level alone: not on how the content
 * was divided into appends, nor on timing.
 */
export class Compressor {
  readonly #codec: Transform;
  readonly #output: CompressedOutput;
  readonly #backpressure = new Backpressure(HELD_BYTES_MAX);
  readonly #blocks: Block[] = [];
  /** Buffers that the codec is done with. Filling them again saves V8 a full garbage collection for each 60 MB. */
  readonly #spare: Buffer[] = [];
  #partial: Buffer = Buffer.alloc(0);
  #partialBytes = 0;
  #compressing = false;
  readonly #compression: Exclude<Compression, 'none'>;
  readonly #level: number;
  #givenBytes = 0;
  /** What the codec got, and what it had got when it gave out something for the last time. */
  #codedBytes = 0;
  #madeOfBytes = 0;
  #compressed: Promise<void> = Promise.resolve();

  /** @throws RangeError for a level the codec does not have: 1..9 with gzip, 1..22 with zstd. */
  constructor(compression: Exclude<Compression, 'none'>, level: number | undefined, output: CompressedOutput) {
    this.#compression = compression;
    this.#level = level ?? LEVEL_DEFAULT;
    this.#codec = createCodec(compression, this.#level);
    this.#output = output;
    this.#codec.on('data', (bytes: Buffer) => {
      if (bytes.length > HEADER_BYTES_MAX) this.#madeOfBytes = this.#codedBytes;
      try {
        output.append(bytes);
      } catch (error) {
        this.#fail(error);
      }
    });
    this.#codec.on('error', (error) => this.#fail(error));
  }

  /** Buffers that hold whole blocks are not copied: they must not be changed afterwards. */
  append(bytes: Buffer): void {
    this.#backpressure.accepted(bytes.length);
    this.#givenBytes += bytes.length;
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#partialBytes === 0 && bytes.length - offset >= BLOCK_BYTES) {
        this.#blocks.push({ bytes: bytes.subarray(offset, offset + BLOCK_BYTES), spare: null });
        offset += BLOCK_BYTES;
        continue;
      }
      if (this.#partialBytes === 0) this.#partial = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      const copied = bytes.copy(this.#partial, this.#partialBytes, offset);
      offset += copied;
      this.#partialBytes += copied;
      if (this.#partialBytes === BLOCK_BYTES) this.#closePartial();
    }
    if (this.#blocks.length > 0) this.#run();
  }

  room(): Promise<void> | undefined {
    return this.#backpressure.room();
  }

  /** Bytes of content of which the output has nothing yet: they wait, or are in the codec. */
  get pendingBytes(): number {
    return this.#givenBytes - this.#madeOfBytes;
  }

  /** The last block, which the codec gets only when it is full. */
  get partial(): Buffer {
    return this.#partial.subarray(0, this.#partialBytes);
  }

  /** Resolves when the codec has every full block. */
  async caughtUp(): Promise<void> {
    while (this.#blocks.length > 0 || this.#compressing) {
      this.#run();
      await this.#compressed;
    }
    // Throws the failure of the codec or of the output, if one failed.
    this.#backpressure.accepted(0);
  }

  /** How large these bytes are when they are compressed by themselves. It changes nothing in the codec. */
  async weigh(bytes: Buffer): Promise<number> {
    const level = Math.min(this.#level, WEIGHING_LEVEL_MAX);
    const weighed =
      this.#compression === 'gzip'
        ? await promisify<Buffer, { level: number }, Buffer>(gzip)(bytes, { level })
        : await promisify<Buffer, ZstdOptions, Buffer>(zstdCompress)(bytes, zstdOptions(level));
    return weighed.length;
  }

  /** Resolves when the output has the last compressed byte. Rejects when the codec or the output failed. */
  async end(): Promise<void> {
    if (this.#partialBytes > 0) this.#closePartial();
    await this.caughtUp();
    // Only now: a codec that is ended while it has input compresses that input differently.
    this.#codec.end();
    await finished(this.#codec).catch((error: unknown) => this.#fail(error));
    this.#backpressure.accepted(0);
  }

  /** Drops what is held and resolves when the codec has stopped. Never rejects. */
  async abort(): Promise<void> {
    this.#fail(new Error('it was discarded'));
    await this.#compressed;
  }

  #closePartial(): void {
    this.#blocks.push({ bytes: this.#partial.subarray(0, this.#partialBytes), spare: this.#partial });
    this.#partialBytes = 0;
  }

  #fail(error: unknown): void {
    this.#backpressure.fail(toSpoolError('compressing', error));
    this.#blocks.length = 0;
    this.#codec.destroy();
  }

  #run(): void {
    if (this.#compressing) return;
    this.#compressing = true;
    this.#compressed = this.#compress();
  }

  /** Never rejects: the backpressure keeps a failure, and every later call throws it. */
  async #compress(): Promise<void> {
    try {
      for (;;) {
        const block = this.#blocks.shift();
        if (!block) return;
        await this.#output.room();
        this.#codedBytes += block.bytes.length;
        await this.#writeBlock(block.bytes);
        if (block.spare !== null) this.#spare.push(block.spare);
        this.#backpressure.passedOn(block.bytes.length);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#compressing = false;
    }
  }

  #writeBlock(block: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#codec.write(block, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
}

function createCodec(compression: Exclude<Compression, 'none'>, level: number): Transform {
  if (!Number.isInteger(level) || level < 1 || level > LEVEL_MAX[compression]) {
    throw new RangeError(`compressing with ${compression}: level ${level} is not 1 to ${LEVEL_MAX[compression]}`);
  }
  if (compression === 'gzip') return createGzip({ level, chunkSize: OUTPUT_BYTES });
  return createZstdCompress({ chunkSize: OUTPUT_BYTES, ...zstdOptions(level) });
}

function zstdOptions(level: number): ZstdOptions {
  // With the frame's own checksum, readers of the object see damage too.
  return { params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 } };
}

import type { Compression } from '@sink/domain';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Compressor } from './compressor.ts';
import { FileSink } from './file-sink.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { encodeFooter, type SegmentContent } from './segment-format.ts';
import { attempting } from './spool-error.ts';

export interface SegmentWriterPorts {
  readonly segmentId: string;
  readonly compression: Compression;
  readonly compressionLevel: number | undefined;
  /** Open for writing, empty; the writer closes it. */
  readonly file: OpenFile;
  readonly files: FileSystem;
  readonly openPath: string;
  readonly sealedPath: string;
  /** Makes the rename durable. */
  readonly syncFolder: () => Promise<void>;
  /** The file is sealed or gone: the writer need not be discarded any more. */
  readonly onSettled: () => void;
}

const NOTHING = Buffer.alloc(0);

export interface WriterProgress {
  /** Bytes of the object that were made. */
  readonly objectBytes: number;
  readonly contentBytes: number;
  /** Of the content, how much is not in `objectBytes` yet. */
  readonly pendingBytes: number;
  /** Of that, what the codec gets only when there is more. Valid until the next write. */
  readonly partial: Buffer;
}

/**
 * Writes one segment: write()…, finish(), seal(); or discard() at any moment. Memory stays at a few MiB whatever the size
 * of the segment. After an error the caller must discard the segment: a file whose fsync failed once is never trusted.
 */
export class SegmentWriter {
  readonly segmentId: string;
  readonly #ports: SegmentWriterPorts;
  readonly #action: string;
  readonly #sha256 = createHash('sha256');
  readonly #sink: FileSink;
  readonly #compressor: Compressor | null;
  #contentBytes = 0;
  #objectBytes = 0;
  #crc32 = 0;
  #finished: Promise<SegmentContent> | undefined;
  #sealing: Promise<void> | undefined;
  #discarding: Promise<void> | undefined;
  #sealed = false;

  /** @throws RangeError for a compression level the codec does not have */
  constructor(ports: SegmentWriterPorts) {
    this.segmentId = ports.segmentId;
    this.#ports = ports;
    this.#action = `writing segment file ${ports.openPath}`;
    this.#sink = new FileSink(ports.file, this.#action);
    this.#compressor =
      ports.compression === 'none'
        ? null
        : new Compressor(ports.compression, ports.compressionLevel, {
            append: (bytes) => this.#appendObjectBytes(bytes),
            room: () => this.#sink.room(),
          });
  }

  /**
   * Adds lines. The buffer is not copied and must not be changed afterwards. If a promise is returned, the caller must await
   * it before the next write, because the disk or the codec is behind. Throws or rejects with SpoolError, also for an
   * earlier write.
   */
  write(ndjson: Buffer): Promise<void> | undefined {
    if (this.#finished || this.#discarding) throw new Error(`${this.#action}: write after finish or discard`);
    this.#sha256.update(ndjson);
    this.#contentBytes += ndjson.length;
    if (this.#compressor) {
      this.#compressor.append(ndjson);
      return this.#compressor.room();
    }
    this.#appendObjectBytes(ndjson);
    return this.#sink.room();
  }

  /** How large the object is by now, and how much content is not in it yet: it waits for the codec, or is in it. */
  get progress(): WriterProgress {
    return {
      objectBytes: this.#objectBytes,
      contentBytes: this.#contentBytes,
      pendingBytes: this.#compressor?.pendingBytes ?? 0,
      partial: this.#compressor?.partial ?? NOTHING,
    };
  }

  /** Resolves when only `progress.partial` waits for the codec. Rejects with SpoolError. */
  async caughtUp(): Promise<void> {
    await this.#compressor?.caughtUp();
  }

  /** How large these bytes are when they are compressed by themselves, about. The object does not change. */
  async weigh(bytes: Buffer): Promise<number> {
    return this.#compressor?.weigh(bytes) ?? bytes.length;
  }

  /** Ends the content: resolves when all of it is compressed and written, but not yet synced. Rejects with SpoolError. */
  finish(): Promise<SegmentContent> {
    this.#finished ??= attempting(this.#action, () => this.#finish());
    return this.#finished;
  }

  /**
   * After finish(): adds the record, makes the file durable, gives it its final name, and makes that name durable.
   * @param recordJson Opaque; SegmentFile returns it unchanged. At most some 16 MB.
   * @throws SpoolError `spool_gone` when the directory was removed, `disk_full`, `record_too_large`, …
   */
  seal(recordJson: string): Promise<void> {
    if (!this.#finished || this.#sealing || this.#discarding) {
      throw new Error(`${this.#action}: seal before finish, twice, or after discard`);
    }
    const finished = this.#finished;
    this.#sealing = attempting(`sealing segment file ${this.#ports.sealedPath}`, async () => {
      await this.#seal(await finished, recordJson);
    });
    return this.#sealing;
  }

  /** Removes the file unless it is sealed. May be called again. */
  discard(): Promise<void> {
    this.#discarding ??= attempting(`discarding segment file ${this.#ports.openPath}`, () => this.#discard());
    return this.#discarding;
  }

  async #finish(): Promise<SegmentContent> {
    await this.#compressor?.end();
    await this.#sink.flush();
    return {
      sha256: this.#sha256.digest('hex'),
      contentBytes: this.#contentBytes,
      objectBytes: this.#objectBytes,
      crc32: this.#crc32,
    };
  }

  async #seal(content: SegmentContent, record: string): Promise<void> {
    const { segmentId, compression, file, files, openPath, sealedPath, syncFolder } = this.#ports;
    this.#sink.append(
      encodeFooter({ segmentId, compression, ...content, record }, `sealing segment file ${sealedPath}`),
    );
    await this.#sink.flush();
    await file.sync(); // rule: spool.bytes-synced
    await file.close();
    await files.rename(openPath, sealedPath); // rule: spool.named-last
    await syncFolder(); // rule: spool.name-synced
    this.#sealed = true;
    this.#ports.onSettled();
  }

  async #discard(): Promise<void> {
    // A seal under way ends first, because it decides which name the file has.
    await this.#sealing?.catch(() => undefined);
    if (this.#sealed) return;
    await this.#compressor?.abort();
    await this.#sink.abort();
    const { file, files, openPath, sealedPath } = this.#ports;
    await file.close().catch(() => undefined);
    await files.remove(openPath);
    // If only the sync of the folder failed, the file has its final name already.
    if (this.#sealing) await files.remove(sealedPath);
    this.#ports.onSettled();
  }

  #appendObjectBytes(bytes: Buffer): void {
    this.#crc32 = crc32(bytes, this.#crc32);
    this.#objectBytes += bytes.length;
    this.#sink.append(bytes);
  }
}

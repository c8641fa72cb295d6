import { randomUUID } from 'node:crypto';
import type { SealedSegment } from '@sink/domain';
import { compressContent, type InstanceSpool, SpoolDirectory } from '@sink/spool';
import type { ObjectBody } from './upload-segment.ts';

/** Content up to this size is compressed in memory; more goes by way of a file, so that memory is bounded. */
const IN_MEMORY_BYTES_MAX = 8 * 1024 * 1024;

export interface ObjectBuilderOptions {
  /** `<dataDir>/rebuilt`: beside the spool, whose folders belong to batchers. */
  readonly directory: string;
  /** For tests. */
  readonly inMemoryBytesMax?: number;
}

/**
 * Makes an object's bytes from its content, the same that the spool made. A large object is in a file in this process' own
 * folder while it is uploaded. If the process is killed, `tidy` of any other uploader removes its files.
 */
export class ObjectBuilder {
  readonly #directory: SpoolDirectory;
  readonly #inMemoryBytesMax: number;
  readonly #instance = `u-${randomUUID()}`;
  #spool: InstanceSpool;
  #files = 0;

  constructor(options: ObjectBuilderOptions) {
    this.#directory = new SpoolDirectory(options.directory);
    this.#spool = this.#directory.instance(this.#instance);
    this.#inMemoryBytesMax = options.inMemoryBytesMax ?? IN_MEMORY_BYTES_MAX;
  }

  async build(record: SealedSegment, content: AsyncIterable<Buffer>): Promise<ObjectBody> {
    if (record.bytes > this.#inMemoryBytesMax) return this.#buildFile(record, content);
    const slices: Buffer[] = [];
    for await (const slice of content) slices.push(slice);
    const { body, crc32 } = await compressContent(slices, record.compression, record.compressionLevel);
    return { body, objectBytes: body.length, crc32 };
  }

  /** Removes files of other processes that are older than any try can be. @returns how many */
  async tidy(ageMinMs: number, nowMs: number): Promise<number> {
    let removed = 0;
    for (const instance of await this.#directory.instances()) {
      if (instance === this.#instance) continue;
      if (nowMs - (await this.#directory.modifiedMs(instance)) < ageMinMs) continue;
      for (const file of await this.#directory.files(instance)) {
        await this.#directory.remove(instance, file);
        removed += 1;
      }
      await this.#directory.removeIfEmpty(instance);
    }
    return removed;
  }

  async close(): Promise<void> {
    await this.#spool.close();
  }

  async #buildFile(record: SealedSegment, content: AsyncIterable<Buffer>): Promise<ObjectBody> {
    const { compression, compressionLevel } = record;
    // Each try has its own file name: a try whose job was taken over may still be running.
    const name = `r${++this.#files}`;
    const writer = await this.#spool.createSegment({ segmentId: name, compression, compressionLevel });
    try {
      for await (const slice of content) await writer.write(slice);
      await writer.finish();
      await writer.seal(JSON.stringify(record));
    } catch (error) {
      // The folder may be gone: the next try creates it again.
      this.#spool = this.#directory.instance(this.#instance);
      await writer.discard().catch(() => undefined);
      throw error;
    }
    const file = await this.#directory.open(this.#instance, name);
    if (file === null) throw new Error(`rebuilding segment ${record.id}: its file ${name} was removed`);
    const { objectBytes, crc32 } = file;
    return {
      body: () => file.stream(),
      range: (from, to) => file.stream(from, to),
      ...{ objectBytes, crc32 },
      release: () => file.remove().catch(() => undefined),
    };
  }
}

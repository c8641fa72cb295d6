import { openSpool, removeFile, type SegmentWriter, type Spool } from '@sink/spool';
import type { SpoolPort } from './ports.ts';

/**
 * The spool of one batcher instance. Its folder is made with its first segment: by then the instance has a lease, and
 * no neighbour's janitor takes the empty folder for one of the dead.
 */
export class InstanceSpool implements SpoolPort {
  readonly directory: string;
  readonly instance: string;
  #opening: Promise<Spool> | null = null;

  constructor(directory: string, instance: string) {
    this.directory = directory;
    this.instance = instance;
  }

  /** @throws SpoolError; after one that is `retryable` the same may work later */
  async createSegment(segment: Parameters<SpoolPort['createSegment']>[0]): Promise<SegmentWriter> {
    this.#opening ??= openSpool(this.directory, this.instance);
    let spool: Spool;
    try {
      spool = await this.#opening;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
    return spool.createSegment(segment);
  }

  removeSealed(segmentId: string): Promise<void> {
    return removeFile(this.directory, this.instance, segmentId, 'sealed');
  }

  /** Discards what is not sealed, and removes the folder if that leaves it empty. */
  async close(): Promise<void> {
    const spool = await this.#opening?.catch(() => null);
    await spool?.close();
  }
}

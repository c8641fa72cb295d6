import type { SealedSegment } from '@sink/domain';
import { type SpoolDirectory, SpoolError } from '@sink/spool';
import type { ObjectBody } from './upload-segment.ts';

/** An object up to this size is read into memory once, for checksum and PUT; a larger one is read twice, as a stream. */
const IN_MEMORY_BYTES_MAX = 8 * 1024 * 1024;
/** Segments with a file of a newer release that are remembered. Of one that is forgotten, the commit removes the file. */
const NEWER_MAX = 10_000;

export type SpoolFilesDirectory = Pick<SpoolDirectory, 'examine' | 'mark' | 'unmark' | 'remove'>;

/**
 * The spool's files as the uploader uses them; a file on another machine counts as missing. If a file is missing or not
 * sound, the uploader makes the object from the chunks.
 */
export class SpoolFiles {
  readonly #directory: SpoolFilesDirectory;
  readonly #onUnsound: (record: SealedSegment, problem: string) => void;
  /** Segments whose file a newer release wrote: it is left untouched. */
  readonly #newer = new Set<string>();

  constructor(directory: SpoolFilesDirectory, onUnsound: (record: SealedSegment, problem: string) => void) {
    this.#directory = directory;
    this.#onUnsound = onUnsound;
  }

  /** The bytes of a segment's file, verified against its checksum and its record; `null` if there is no sound file. */
  async open(record: SealedSegment): Promise<ObjectBody | null> {
    try {
      const options = { sealed: record, inMemoryBytesMax: IN_MEMORY_BYTES_MAX };
      const found = await this.#directory.examine(record.spool, record.id, options);
      if (found.kind === 'sound') return found.object;
      if (found.kind === 'newer') this.#leaveUntouched(record.id);
      if (found.kind !== 'missing') this.#onUnsound(record, found.problem);
    } catch (error) {
      if (!(error instanceof SpoolError)) throw error;
      this.#onUnsound(record, error.message);
    }
    return null;
  }

  /** Marks the file as one that may be the only copy. */
  async mark(record: SealedSegment): Promise<void> {
    if (this.#newer.has(record.id)) return;
    await this.#directory.mark(record.spool, record.id);
  }

  /** Removes the mark that says that the file may be the only copy. The object must be in the bucket. */
  async unmark(record: SealedSegment): Promise<void> {
    if (this.#newer.has(record.id)) return;
    await this.#directory.unmark(record.spool, record.id);
  }

  /** Removes the file, sound or not. The segment must be committed. */
  async remove(record: SealedSegment): Promise<void> {
    if (this.#newer.delete(record.id)) return;
    try {
      await this.#directory.remove(record.spool, { segmentId: record.id, state: 'sealed' });
      // The batcher was releasing the segment when it was committed.
      await this.#directory.remove(record.spool, { segmentId: record.id, state: 'spilled' });
    } catch (error) {
      // The segment is committed, so the file is superfluous: the batchers' janitor removes it later.
      if (!(error instanceof SpoolError)) throw error;
      this.#onUnsound(record, error.message);
    }
  }

  #leaveUntouched(segmentId: string): void {
    const [oldest] = this.#newer;
    if (oldest !== undefined && this.#newer.size >= NEWER_MAX) this.#newer.delete(oldest);
    this.#newer.add(segmentId);
  }
}

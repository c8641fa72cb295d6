import { crc32 as checksum } from 'node:zlib';
import { parseRecord, type SealedSegment } from '@sink/domain';
import { openSegment, removeFile, type SegmentFile, SpoolError, unmarkSpilled } from '@sink/spool';
import type { ObjectBody, SpoolFilesPort } from './ports.ts';

/** An object up to this size is read into memory once, for checksum and PUT; a larger one is read twice, as a stream. */
const IN_MEMORY_BYTES_MAX = 8 * 1024 * 1024;

/**
 * The spool's files as the uploader uses them. A file that is missing, truncated, foreign or of a newer format is no
 * file: the object is then made from the chunks.
 */
export class SpoolFiles implements SpoolFilesPort {
  readonly #directory: string;
  readonly #onUnsound: (record: SealedSegment, problem: string) => void;
  /** Segments whose file a newer release wrote: it is left untouched. */
  readonly #newer = new Set<string>();

  /** @param directory `<dataDir>/spool` */
  constructor(directory: string, onUnsound: (record: SealedSegment, problem: string) => void) {
    this.#directory = directory;
    this.#onUnsound = onUnsound;
  }

  async open(record: SealedSegment): Promise<ObjectBody | null> {
    try {
      const file = await openSegment(this.#directory, record.spool, record.id);
      if (file === null) return null;
      const problem = differs(record, file);
      if (problem !== null) return this.#unsound(record, problem);
      return await this.#body(record, file);
    } catch (error) {
      if (!(error instanceof SpoolError)) throw error;
      if (error.code === 'segment_version') this.#newer.add(record.id);
      return this.#unsound(record, error.message);
    }
  }

  async unmark(record: SealedSegment): Promise<void> {
    if (this.#newer.has(record.id)) return;
    await unmarkSpilled(this.#directory, record.spool, record.id);
  }

  async remove(record: SealedSegment): Promise<void> {
    if (this.#newer.delete(record.id)) return;
    try {
      await removeFile(this.#directory, record.spool, record.id, 'sealed');
      // A release was under way when it was committed.
      await removeFile(this.#directory, record.spool, record.id, 'spilled');
    } catch (error) {
      // A file too many: the batchers' janitor tries again. The segment is committed whatever becomes of it.
      if (!(error instanceof SpoolError)) throw error;
      this.#onUnsound(record, error.message);
    }
  }

  async #body(record: SealedSegment, file: SegmentFile): Promise<ObjectBody | null> {
    const { objectBytes, crc32 } = file;
    if (objectBytes > IN_MEMORY_BYTES_MAX) {
      if (!(await file.verify())) return this.#unsound(record, 'its bytes do not have their checksum');
      return { body: () => file.stream(), objectBytes, crc32 };
    }
    const body = await file.read();
    if (checksum(body) !== crc32) return this.#unsound(record, 'its bytes do not have their checksum');
    return { body, objectBytes, crc32 };
  }

  #unsound(record: SealedSegment, problem: string): null {
    this.#onUnsound(record, problem);
    return null;
  }
}

/** What makes the file another one than the record speaks of; null when it is this one. */
function differs(record: SealedSegment, file: SegmentFile): string | null {
  let own: SealedSegment;
  try {
    own = parseRecord(file.recordJson);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const same =
    own.id === record.id &&
    own.key === record.key &&
    own.sha256 === record.sha256 &&
    own.bytes === record.bytes &&
    own.compression === record.compression &&
    file.sha256 === record.sha256;
  return same ? null : 'its record is not the one that was sealed';
}

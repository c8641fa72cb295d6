import type { SealedSegment, SegmentRecord } from '@sink/domain';
import type { ObjectToPut } from '@sink/objects';

/** An object's bytes, ready to be put: from the spool file, or rebuilt from the chunks. */
export interface ObjectBody {
  readonly body: ObjectToPut['body'];
  readonly objectBytes: number;
  readonly crc32: number;
  /** Frees what the body stands in; called once, when it is needed no more. */
  release?(): Promise<void>;
}

/** Segment files of this machine's spool; a file of another machine is simply not there. */
export interface SpoolFilesPort {
  /** The bytes of a segment's file, verified against its checksum and its record; `null` when there is no sound file. */
  open(record: SealedSegment): Promise<ObjectBody | null>;
  /** Takes the mark away that says that the file may be the only copy. The object must stand in the bucket. */
  unmark(record: SealedSegment): Promise<void>;
  /** Removes the file, sound or not. The segment must have been committed. */
  remove(record: SealedSegment): Promise<void>;
}

/** Makes the same object bytes from a segment's content as the spool made. */
export interface ObjectBuilderPort {
  build(record: SegmentRecord, content: AsyncIterable<Buffer>): Promise<ObjectBody>;
}

import type { SegmentRecord } from '@sink/domain';
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
  open(record: SegmentRecord): Promise<ObjectBody | null>;
  /** Removes the file, sound or not. The segment must have been committed. */
  remove(record: SegmentRecord): Promise<void>;
}

/** Makes the same object bytes from a segment's content as the spool made. */
export interface ObjectBuilderPort {
  build(record: SegmentRecord, content: AsyncIterable<Buffer>): Promise<ObjectBody>;
}

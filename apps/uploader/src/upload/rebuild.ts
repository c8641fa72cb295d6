import { createHash } from 'node:crypto';
import { byteOfLine, type SegmentRecord } from '@sink/domain';
import type { LaneView } from '@sink/lane';

/** The chunks do not have what was sealed: a broken invariant, reported and kept. */
export class RebuiltContentDiffers extends Error {
  readonly code = 'content_differs';
  readonly retryable = true;
  constructor(record: SegmentRecord) {
    super(`rebuilding segment ${record.id} [key=${record.key}]: its chunks do not have the sealed checksum`);
    this.name = 'RebuiltContentDiffers';
  }
}

/** A chunk of the segment is not in the stream: the segment was committed meanwhile, or an invariant is broken. */
export class ChunkMissing extends Error {
  readonly code = 'content_missing';
  readonly retryable = true;
  constructor(record: SegmentRecord, chunk: string, problem: string) {
    super(`rebuilding segment ${record.id} [key=${record.key}]: chunk ${chunk} ${problem}, and there is no sound file`);
    this.name = 'ChunkMissing';
  }
}

/**
 * A segment's content, cut out of its chunks again: they are all in the stream until it is committed, so a lost, damaged
 * or distant spool file costs a read, never an event. Holds one chunk at a time.
 *
 * @throws ChunkMissing; RebuiltContentDiffers, at the end, when the content is not what was sealed
 */
export async function* contentOf(lane: LaneView, record: SegmentRecord): AsyncGenerator<Buffer, void, void> {
  const hash = createHash('sha256');
  for (const [chunkId, from, to] of record.slices) {
    const entry = await lane.entry(chunkId);
    if (entry.kind !== 'chunk') {
      throw new ChunkMissing(
        record,
        chunkId,
        entry.kind === 'deleted' ? 'is gone' : `is not readable: ${entry.problem}`,
      );
    }
    const { body } = entry.chunk;
    const start = byteOfLine(body, from);
    const end = start === -1 ? -1 : byteOfLine(body, to, from, start);
    if (end === -1) throw new RebuiltContentDiffers(record);
    const slice = body.subarray(start, end);
    hash.update(slice);
    yield slice;
  }
  if (hash.digest('hex') !== record.sha256) throw new RebuiltContentDiffers(record);
}

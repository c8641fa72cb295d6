import {
  type Chunk,
  type Compression,
  type Destination,
  isOlderChunk,
  lineRun,
  type RouteRules,
  SEGMENT_SLICES_MAX,
  type Slice,
} from '@sink/domain';
import type { SegmentWriter } from '@sink/spool';
import type { SegmentOrigins } from '@sink/tracing';

/** When a segment is full. Read at each use: the limits may change while it is open. */
export interface SegmentLimits {
  readonly flushSize: number;
  readonly flushBytes: number;
}

/** How the file is written, and what its record says. */
export interface SegmentFormat {
  readonly compression: Compression;
  readonly compressionLevel: number | undefined;
}

export type SegmentFileWriter = Pick<SegmentWriter, 'write' | 'finish' | 'seal' | 'discard'>;

/** How far a chunk was read: everything before `line` (at `byte` of its body) is in a segment already. */
export interface ChunkCursor {
  readonly chunk: Chunk;
  line: number;
  byte: number;
}

/** A segment that is being filled: its slices so far, and the file of their lines. */
export class OpenSegment {
  readonly segmentId: string;
  readonly destination: Destination;
  /** Those of its route when it was opened. */
  readonly rules: RouteRules;
  readonly file: SegmentFileWriter;
  readonly format: SegmentFormat;
  /** Monotonic time. */
  readonly openedAtMs: number;
  /** How old its first event was then. */
  readonly ageMs: number;
  /** Null: nothing is traced. */
  readonly origins: SegmentOrigins | null;
  readonly slices: Slice[] = [];
  /** Chunks whose last event is in this segment: its seal takes them out of the pending list. */
  readonly finishedChunks: string[] = [];
  acceptedAtMs = Number.MAX_SAFE_INTEGER;
  count = 0;
  bytes = 0;
  readonly #limits: SegmentLimits;

  constructor(
    segment: {
      readonly segmentId: string;
      readonly destination: Destination;
      readonly rules: RouteRules;
      readonly file: SegmentFileWriter;
      readonly format: SegmentFormat;
      readonly openedAtMs: number;
      readonly ageMs: number;
      readonly origins: SegmentOrigins | null;
    },
    limits: SegmentLimits,
  ) {
    this.segmentId = segment.segmentId;
    this.destination = segment.destination;
    this.rules = segment.rules;
    this.file = segment.file;
    this.format = segment.format;
    this.openedAtMs = segment.openedAtMs;
    this.ageMs = segment.ageMs;
    this.origins = segment.origins;
    this.#limits = limits;
  }

  /** Whether it holds events that were appended after this chunk. */
  isAfter(chunkId: string): boolean {
    const last = this.slices.at(-1);
    return last !== undefined && isOlderChunk(chunkId, last[0]);
  }

  /** Whether it takes no further event. */
  get isFull(): boolean {
    return (
      this.count >= this.#limits.flushSize ||
      this.bytes >= this.#limits.flushBytes ||
      this.slices.length >= SEGMENT_SLICES_MAX
    );
  }

  /** Takes as much of the chunk as fits, and moves the cursor behind it; true if the segment is full then. */
  async fill(cursor: ChunkCursor): Promise<boolean> {
    const { chunk } = cursor;
    const eventsMax = Math.min(chunk.count - cursor.line, this.#limits.flushSize - this.count);
    const bytesMax = this.#limits.flushBytes - this.bytes;
    const restBytes = chunk.body.length - cursor.byte;
    const whole = eventsMax === chunk.count - cursor.line && restBytes <= bytesMax;
    const run = whole
      ? { events: eventsMax, endByte: chunk.body.length }
      : lineRun(chunk.body, cursor.byte, { eventsMax, bytesMax, oversized: this.count === 0 });
    if (run.events > 0) {
      const from = cursor.line;
      const content = chunk.body.subarray(cursor.byte, run.endByte);
      cursor.line += run.events;
      cursor.byte = run.endByte;
      this.slices.push([chunk.id, from, cursor.line]);
      if (chunk.origins !== null) this.origins?.add(chunk.origins, chunk.count, from, cursor.line);
      if (cursor.line === chunk.count) this.finishedChunks.push(chunk.id);
      this.count += run.events;
      this.bytes += content.length;
      this.acceptedAtMs = Math.min(this.acceptedAtMs, chunk.acceptedAtMs);
      await this.file.write(content);
    }
    return cursor.line < chunk.count || this.isFull;
  }
}

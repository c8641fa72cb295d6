import {
  type Chunk,
  type Compression,
  type Destination,
  isOlderChunk,
  type LineRun,
  lineRun,
  type RouteRules,
  SEGMENT_SLICES_MAX,
  type Slice,
} from '@sink/domain';
import type { SegmentContent, SegmentWriter } from '@sink/spool';
import type { SegmentOrigins } from '@sink/tracing';
import type { Due } from './due-queue.ts';
import { HeldContent } from './held-content.ts';
import { ObjectSize } from './object-size.ts';
import { writeToTarget } from './write-to-target.ts';

/** What a path takes in memory beside its lines, and what each slice adds: measured (docs/adr/0036). */
const PATH_BYTES = 2_560;
const SLICE_BYTES = 192;

/** When a segment is full. Read at each use: the limits may change while it is open. */
export interface SegmentLimits {
  readonly flushSize: number;
  readonly flushBytes: number;
  /** Bytes of the object; null: no such limit. */
  readonly targetBytes: number | null;
}

/** Why a segment takes no further event. */
export type FullBy = 'target' | 'flush_size' | 'flush_bytes' | 'slices';

/** How the file is written, and what its record says. */
export interface SegmentFormat {
  readonly compression: Compression;
  readonly compressionLevel: number | undefined;
}

export type SegmentFileWriter = Pick<
  SegmentWriter,
  'write' | 'finish' | 'seal' | 'discard' | 'progress' | 'caughtUp' | 'weigh'
>;

/** How far a chunk was read: everything before `line` (at `byte` of its body) is in a segment already. */
export interface ChunkCursor {
  readonly chunk: Chunk;
  line: number;
  byte: number;
}

/** What is known of a segment when it is opened. */
export interface SegmentOpening {
  readonly segmentId: string;
  readonly destination: Destination;
  /** Those of its route when it was opened. */
  readonly rules: RouteRules;
  readonly format: SegmentFormat;
  /** Monotonic time. */
  readonly openedAtMs: number;
  /** How old its first event was then. */
  readonly ageMs: number;
  /** Null: nothing is traced. */
  readonly origins: SegmentOrigins | null;
  readonly createFile: () => Promise<SegmentFileWriter>;
}

/**
 * A segment that is being filled: its slices so far, and their lines. The lines are in memory until there is a file, which is
 * made when they become many, or to close the segment. Lines in memory are lost with the process, as an open file is; their
 * chunks stay in the lane until the segment is sealed.
 */
export class OpenSegment implements SegmentOpening, Due {
  readonly segmentId: string;
  readonly destination: Destination;
  readonly rules: RouteRules;
  readonly format: SegmentFormat;
  readonly openedAtMs: number;
  readonly ageMs: number;
  readonly origins: SegmentOrigins | null;
  readonly createFile: () => Promise<SegmentFileWriter>;
  readonly slices: Slice[] = [];
  /** Chunks whose last event is in this segment: its seal takes them out of the pending list. */
  readonly finishedChunks: string[] = [];
  acceptedAtMs = Number.MAX_SAFE_INTEGER;
  count = 0;
  bytes = 0;
  /** When it last took events: monotonic time. */
  takenAtMs: number;
  dueMs = Infinity;
  place = -1;
  readonly #limits: SegmentLimits;
  readonly #held = new HeldContent();
  #file: SegmentFileWriter | null = null;
  #size: ObjectSize | null = null;
  #hasTarget = false;

  constructor(opening: SegmentOpening, limits: SegmentLimits) {
    this.segmentId = opening.segmentId;
    this.destination = opening.destination;
    this.rules = opening.rules;
    this.format = opening.format;
    this.openedAtMs = opening.openedAtMs;
    this.takenAtMs = opening.openedAtMs;
    this.ageMs = opening.ageMs;
    this.origins = opening.origins;
    this.createFile = opening.createFile;
    this.#limits = limits;
  }

  /** Whether it holds events that were appended after this chunk. */
  isAfter(chunkId: string): boolean {
    const last = this.slices.at(-1);
    return last !== undefined && isOlderChunk(chunkId, last[0]);
  }

  /** Whether it takes no further event. */
  get isFull(): boolean {
    return this.fullBy !== null;
  }

  /** Which limit it has reached; null: none. */
  get fullBy(): FullBy | null {
    if (this.#hasTarget) return 'target';
    if (this.count >= this.#limits.flushSize) return 'flush_size';
    if (this.bytes >= this.#limits.flushBytes) return 'flush_bytes';
    return this.slices.length >= SEGMENT_SLICES_MAX ? 'slices' : null;
  }

  get hasFile(): boolean {
    return this.#file !== null;
  }

  /** Bytes of lines that are in memory only. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** What a segment without a file takes in memory, with its slices. */
  get memoryBytes(): number {
    return PATH_BYTES + this.slices.length * SLICE_BYTES + this.#held.capacity;
  }

  /** As much of the chunk as fits, from the cursor on. */
  next({ chunk, line, byte }: ChunkCursor): LineRun {
    const eventsMax = Math.min(chunk.count - line, this.#limits.flushSize - this.count);
    const bytesMax = this.#limits.flushBytes - this.bytes;
    const isWhole = eventsMax === chunk.count - line && chunk.body.length - byte <= bytesMax;
    if (isWhole) return { events: eventsMax, endByte: chunk.body.length };
    return lineRun(chunk.body, byte, { eventsMax, bytesMax, oversized: this.count === 0 });
  }

  /** Takes what next() found, or as much of it as the target allows, and moves the cursor behind it. */
  async take(cursor: ChunkCursor, found: LineRun): Promise<void> {
    const { chunk, line: from, byte } = cursor;
    const { events, endByte } = await this.#write(chunk.body, byte, found);
    if (events === 0) return;
    cursor.line += events;
    cursor.byte = endByte;
    this.slices.push([chunk.id, from, cursor.line]);
    if (chunk.origins !== null) this.origins?.add(chunk.origins, chunk.count, from, cursor.line);
    if (cursor.line === chunk.count) this.finishedChunks.push(chunk.id);
    this.count += events;
    this.bytes += endByte - byte;
    this.acceptedAtMs = Math.min(this.acceptedAtMs, chunk.acceptedAtMs);
  }

  /** Writes these lines, or as many of them as the target allows; what is in memory is smaller than any target. */
  async #write(body: Buffer, startByte: number, run: LineRun): Promise<LineRun> {
    const { targetBytes } = this.#limits;
    if (run.events === 0) return run;
    const [file, size] = [this.#file, this.#size];
    if (file !== null && size !== null && targetBytes !== null) {
      const written = await writeToTarget({ file, size, targetBytes }, body, startByte, run);
      this.#hasTarget = written.isReached;
      return written;
    }
    const content = body.subarray(startByte, run.endByte);
    if (file === null) this.#held.append(content);
    else await file.write(content);
    return run;
  }

  /** Makes the file, with the lines so far. */
  async openFile(): Promise<SegmentFileWriter> {
    if (this.#file !== null) return this.#file;
    const file = await this.createFile();
    this.#file = file;
    this.#size = new ObjectSize(file);
    if (this.#held.length > 0) await file.write(this.#held.release());
    return file;
  }

  /** Ends the content, in its file. */
  async finish(): Promise<SegmentContent> {
    const file = await this.openFile();
    return file.finish();
  }

  /** After finish(). */
  async seal(recordJson: string): Promise<void> {
    const file = await this.openFile();
    return file.seal(recordJson);
  }

  async discard(): Promise<void> {
    this.#held.release();
    await this.#file?.discard();
  }
}

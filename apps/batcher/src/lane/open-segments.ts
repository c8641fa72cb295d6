import {
  type Chunk,
  type Destination,
  destinationKey,
  isOlderChunk,
  type LineRun,
  type RouteRules,
} from '@sink/domain';
import { SegmentOrigins } from '@sink/tracing';
import type { BatcherSettings } from '../settings.ts';
import { ClosingTimes, type DueBy } from './closing-times.ts';
import type { LaneBatcherPorts } from './lane-batcher.ts';
import { type ChunkCursor, type FullBy, OpenSegment, type SegmentFormat, type SegmentLimits } from './open-segment.ts';

/** Objects grow again by this factor with each one that is sealed, after a full disk. */
const FLUSH_BYTES_GROWTH = 1.25;
/** With a target, an object is hardly made of more content than this many times its size. */
const CONTENT_OF_TARGET = 8;
/** One path has at most this part of the memory for lines, so that little memory is shared too. */
const PATHS_IN_MEMORY_MIN = 16;

/** A lane's share of the limits of its batcher now. */
export interface OpenLimits {
  /** Files that are being filled. */
  readonly files: number;
  /** Bytes of memory for paths without a file. */
  readonly bytes: number;
}

/** How what is open changed. */
export interface OpenChange {
  readonly paths?: number;
  readonly files?: number;
  /** Bytes of lines that are in memory only. */
  readonly heldBytes?: number;
}

/**
 * The segments of a lane that are being filled, one a destination. A path with few lines is in memory, and one with many in a
 * file. Both are limited, and the one that was opened first is closed for another.
 */
export class OpenSegments {
  readonly #ports: LaneBatcherPorts;
  readonly #settings: BatcherSettings;
  readonly #limitsNow: () => OpenLimits;
  readonly #open = new Map<string, OpenSegment>();
  /** Those without a file and those with one, as they came to be that. */
  readonly #inMemory = new Set<OpenSegment>();
  readonly #inFiles = new Set<OpenSegment>();
  /** What those in memory take. */
  #memoryBytes = 0;
  readonly #times: ClosingTimes;
  /** The bytes of an object while the disk is, or was, full. */
  #shrunkBytes = Infinity;

  constructor(ports: LaneBatcherPorts, settings: BatcherSettings, limitsNow: () => OpenLimits) {
    this.#ports = ports;
    this.#settings = settings;
    this.#limitsNow = limitsNow;
    this.#times = new ClosingTimes(ports.clock, settings, () => this.#open.values());
  }

  of(destination: Destination): OpenSegment | undefined {
    return this.#open.get(destinationKey(destination));
  }

  /** The segment to close before another one gets a file; undefined if there may be one more. */
  get surplusFile(): OpenSegment | undefined {
    return this.#inFiles.size >= this.#limitsNow().files ? first(this.#inFiles) : undefined;
  }

  /** The segment to close because those in memory take too much; undefined if they do not. */
  get surplusInMemory(): OpenSegment | undefined {
    return this.#memoryBytes > this.#limitsNow().bytes ? first(this.#inMemory) : undefined;
  }

  /** A segment that is to be closed now, full or not. */
  get due(): OpenSegment | undefined {
    return this.#times.due;
  }

  /** Why a segment is due. */
  dueBy(segment: OpenSegment): FullBy | DueBy {
    return segment.fullBy ?? this.#times.dueBy(segment);
  }

  /** The segments of this path (null: of any) with events of chunks up to this one. */
  holding(upTo: string, path: string | null): readonly OpenSegment[] {
    return [...this.#open.values()].filter(
      ({ slices: [oldest], destination }) =>
        oldest !== undefined && !isOlderChunk(upTo, oldest[0]) && (path === null || path === destination.path),
    );
  }

  /** How long no segment becomes due, in whole milliseconds. */
  get untilDueMs(): number {
    return this.#times.untilDueMs;
  }

  /** Makes everything due that is open now. */
  closeAll(): void {
    this.#times.closeAll();
  }

  /** Opens a segment of the chunk's destination. It keeps its compression, whatever the settings say later. */
  open(chunk: Chunk, rules: RouteRules): OpenSegment {
    const { clock, spool, ids, tracing } = this.#ports;
    const format = formatOf(rules, this.#settings);
    const segmentId = ids.segment(); // rule: segment.new-id
    const segment = new OpenSegment(
      {
        segmentId,
        destination: { route: chunk.route, path: chunk.path },
        rules,
        format,
        openedAtMs: clock.monotonicMs(),
        ageMs: clock.wallMs() - chunk.acceptedAtMs,
        origins: tracing ? new SegmentOrigins(tracing) : null,
        createFile: () => spool.createSegment({ segmentId, ...format }),
      },
      this.#limitsOf(rules),
    );
    this.#open.set(destinationKey(chunk), segment);
    this.#inMemory.add(segment);
    this.#memoryBytes += segment.memoryBytes;
    this.#times.opened(segment);
    this.#ports.events.open({ paths: 1 });
    return segment;
  }

  /** Whether these lines are too many for memory. */
  needsFile(segment: OpenSegment, cursor: ChunkCursor, { endByte }: LineRun): boolean {
    if (segment.hasFile) return false;
    const pathBytesMax = Math.min(this.#settings.pathInMemoryBytesMax, this.#limitsNow().bytes / PATHS_IN_MEMORY_MIN);
    return segment.heldBytes + endByte - cursor.byte > pathBytesMax;
  }

  /** Moves the lines of a segment to a file. */
  async openFile(segment: OpenSegment): Promise<void> {
    const { events, room } = this.#ports;
    const { heldBytes, memoryBytes } = segment;
    this.#inMemory.delete(segment);
    this.#inFiles.add(segment);
    this.#memoryBytes -= memoryBytes;
    room.holds(-heldBytes);
    room.took(heldBytes);
    try {
      await segment.openFile();
    } finally {
      events.open({ files: 1, heldBytes: -heldBytes }); // also if it failed: remove() counts it down
    }
  }

  /** Takes what next() found. */
  async take(segment: OpenSegment, cursor: ChunkCursor, run: LineRun): Promise<void> {
    const { events, room, clock } = this.#ports;
    const { bytes, heldBytes, memoryBytes } = segment;
    await segment.take(cursor, run);
    segment.takenAtMs = clock.monotonicMs();
    if (segment.hasFile) return room.took(segment.bytes - bytes);
    this.#memoryBytes += segment.memoryBytes - memoryBytes;
    room.holds(segment.heldBytes - heldBytes);
    events.open({ heldBytes: segment.heldBytes - heldBytes });
  }

  /** The segment is not filled any more: the caller closes or discards it. */
  remove(segment: OpenSegment): void {
    const key = destinationKey(segment.destination);
    if (this.#open.get(key) !== segment) return;
    this.#open.delete(key);
    this.#times.removed(segment);
    const { events, room } = this.#ports;
    if (this.#inFiles.delete(segment)) return events.open({ paths: -1, files: -1 });
    const { heldBytes, memoryBytes } = segment;
    this.#inMemory.delete(segment);
    this.#memoryBytes -= memoryBytes;
    room.holds(-heldBytes);
    events.open({ paths: -1, heldBytes: -heldBytes });
  }

  /** Nothing is open any more. What was has still to be discarded. */
  removeAll(): readonly OpenSegment[] {
    const all = [...this.#open.values()];
    for (const segment of all) this.remove(segment);
    return all;
  }

  async discard(): Promise<void> {
    for (const segment of this.removeAll()) await segment.discard();
  }

  /** On a full disk small objects may still fit. */
  shrinkObjects(): void {
    const targetBytes = (this.#settings.targetObjectBytes ?? Infinity) * CONTENT_OF_TARGET;
    const nowBytes = Math.min(this.#shrunkBytes, this.#flushBytesMax, targetBytes);
    const halfBytes = Math.max(this.#settings.flushBytesMin, Math.floor(nowBytes / 2));
    this.#shrunkBytes = Math.min(nowBytes, halfBytes);
    this.#times.changed();
  }

  growObjects(): void {
    const grownBytes = Math.ceil(this.#shrunkBytes * FLUSH_BYTES_GROWTH);
    this.#shrunkBytes = grownBytes < this.#flushBytesMax ? grownBytes : Infinity;
  }

  /** The limits now, also for segments that are open. */
  #limitsOf(rules: RouteRules): SegmentLimits {
    const settings = this.#settings;
    const shrunkBytes = (): number => this.#shrunkBytes;
    return {
      get flushSize() {
        return rules.flushSize ?? settings.flushSize;
      },
      get targetBytes() {
        return rules.targetObjectBytes ?? settings.targetObjectBytes;
      },
      get flushBytes() {
        return Math.min(shrunkBytes(), rules.flushBytes ?? settings.flushBytes);
      },
    };
  }

  /** Of all routes. */
  get #flushBytesMax(): number {
    const { flushBytes, routes } = this.#settings;
    return Math.max(flushBytes, ...[...routes.values()].map((rules) => rules.flushBytes ?? 0));
  }
}

/** A route that names a compression has the level of that codec, not of the other one. */
function formatOf(rules: RouteRules, settings: SegmentFormat): SegmentFormat {
  const { compression = settings.compression } = rules;
  const levelBeside = rules.compression === undefined ? settings.compressionLevel : undefined;
  return {
    compression,
    compressionLevel: compression === 'none' ? undefined : (rules.compressionLevel ?? levelBeside),
  };
}

function first<Item>(items: ReadonlySet<Item>): Item | undefined {
  return items.values().next().value;
}

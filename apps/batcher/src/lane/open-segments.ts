import { type Chunk, type Destination, destinationKey, partitionSpan, type RouteRules } from '@sink/domain';
import { SegmentOrigins } from '@sink/tracing';
import type { BatcherSettings } from '../settings.ts';
import type { LaneBatcherPorts } from './lane-batcher.ts';
import { OpenSegment, type SegmentFormat, type SegmentLimits } from './open-segment.ts';

/** Objects grow again by this factor with each one that is sealed, after a full disk. */
const FLUSH_BYTES_GROWTH = 1.25;

/** The segments of a lane that are being filled, one a destination, and when each is closed. */
export class OpenSegments {
  readonly #ports: LaneBatcherPorts;
  readonly #settings: BatcherSettings;
  readonly #filesMax: () => number;
  readonly #open = new Map<string, OpenSegment>();
  /** The bytes of an object while the disk is, or was, full. */
  #shrunkBytes = Infinity;

  constructor(ports: LaneBatcherPorts, settings: BatcherSettings, filesMax: () => number) {
    this.#ports = ports;
    this.#settings = settings;
    this.#filesMax = filesMax;
  }

  /** The open segments, oldest first. */
  get all(): readonly OpenSegment[] {
    return [...this.#open.values()];
  }

  of(destination: Destination): OpenSegment | undefined {
    return this.#open.get(destinationKey(destination));
  }

  /** The segment to close before another is opened; undefined if there may be one more. */
  get surplus(): OpenSegment | undefined {
    return this.#open.size >= this.#filesMax() ? this.all[0] : undefined;
  }

  /** The segments that are to be closed now, full or not. */
  get due(): readonly OpenSegment[] {
    return this.all.filter((segment) => this.#dueMs(segment) <= this.#ports.clock.monotonicMs());
  }

  /** How long no segment becomes due, in whole milliseconds. */
  get untilDueMs(): number {
    const nextMs = Math.min(...this.all.map((segment) => this.#dueMs(segment)));
    return Math.max(0, Math.ceil(nextMs - this.#ports.clock.monotonicMs()));
  }

  /** Opens a segment of the chunk's destination. It keeps its compression, whatever the settings say later. */
  async open(chunk: Chunk, rules: RouteRules): Promise<OpenSegment> {
    const { clock, spool, ids, tracing } = this.#ports;
    const format = formatOf(rules, this.#settings);
    const segmentId = ids.segment(); // rule: segment.new-id
    const file = await spool.createSegment({ segmentId, ...format });
    const ageMs = clock.wallMs() - chunk.acceptedAtMs;
    const openedAtMs = clock.monotonicMs();
    const origins = tracing ? new SegmentOrigins(tracing) : null;
    const segment = new OpenSegment(
      {
        segmentId,
        destination: { route: chunk.route, path: chunk.path },
        rules,
        file,
        format,
        openedAtMs,
        ageMs,
        origins,
      },
      this.#limitsOf(rules),
    );
    this.#open.set(destinationKey(chunk), segment);
    this.#ports.events.opened(1);
    return segment;
  }

  /** The segment is not filled any more: the caller closes or discards it. */
  remove(segment: OpenSegment): void {
    if (this.#open.delete(destinationKey(segment.destination))) this.#ports.events.opened(-1);
  }

  async discard(): Promise<void> {
    const open = this.all;
    for (const segment of open) this.remove(segment);
    for (const segment of open) await segment.file.discard();
  }

  /** On a full disk small objects may still fit. */
  shrinkObjects(): void {
    const nowBytes = Math.min(this.#shrunkBytes, this.#flushBytesMax);
    const halfBytes = Math.max(this.#settings.flushBytesMin, Math.floor(nowBytes / 2));
    this.#shrunkBytes = Math.min(nowBytes, halfBytes);
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

  /** A segment is due at its interval, or soon after its hour or day has ended; a full one at once. */
  #dueMs(segment: OpenSegment): number {
    const { clock } = this.#ports;
    const { partitionEndGraceMs, openMsMin } = this.#settings;
    const scheduledIntervalMs = segment.rules.scheduledIntervalMs ?? this.#settings.scheduledIntervalMs;
    if (segment.isFull) return Number.NEGATIVE_INFINITY;
    // The interval counts from the first event; a clock that differs from ingest's can only move it within these bounds.
    const waitMs = Math.min(scheduledIntervalMs, Math.max(openMsMin, scheduledIntervalMs - segment.ageMs));
    const span = segment.rules.endsWithSlot ? partitionSpan(segment.destination.path) : null;
    const endMs = span?.endMs ?? Infinity;
    const toEndMs = Math.max(0, endMs + partitionEndGraceMs - clock.wallMs());
    const endDueMs = Math.max(clock.monotonicMs() + toEndMs, segment.openedAtMs + partitionEndGraceMs);
    return Math.min(segment.openedAtMs + waitMs, endDueMs);
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

import { type Chunk, partitionSpan } from '@sink/domain';
import { SegmentOrigins } from '@sink/tracing';
import type { BatcherSettings } from '../settings.ts';
import type { LaneBatcherPorts } from './lane-batcher.ts';
import { OpenSegment } from './open-segment.ts';

/** Objects grow again by this factor with each one that is sealed, after a full disk. */
const FLUSH_BYTES_GROWTH = 1.25;

/** The segments of a lane that are being filled, one a partition, and when each is closed. */
export class OpenSegments {
  readonly #ports: LaneBatcherPorts;
  readonly #settings: BatcherSettings;
  readonly #filesMax: number;
  readonly #open = new Map<string, OpenSegment>();
  /** The bytes of an object now: less than configured while the disk is full. */
  #flushBytes: number;

  constructor(ports: LaneBatcherPorts, settings: BatcherSettings, filesMax: number) {
    this.#ports = ports;
    this.#settings = settings;
    this.#filesMax = filesMax;
    this.#flushBytes = settings.flushBytes;
  }

  /** The open segments, oldest first. */
  get all(): readonly OpenSegment[] {
    return [...this.#open.values()];
  }

  of(partition: string): OpenSegment | undefined {
    return this.#open.get(partition);
  }

  /** The segment to close before another is opened; undefined if there may be one more. */
  get surplus(): OpenSegment | undefined {
    return this.#open.size >= this.#filesMax ? this.all[0] : undefined;
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

  /** Opens a segment of the chunk's partition. */
  async open(chunk: Chunk): Promise<OpenSegment> {
    const { clock, spool, ids, tracing } = this.#ports;
    const { compression, compressionLevel, scheduledIntervalMs, openMsMin, flushSize } = this.#settings;
    const segmentId = ids.segment(); // rule: segment.new-id
    const file = await spool.createSegment({ segmentId, compression, compressionLevel });
    // The interval counts from the first event; a clock that differs from ingest's can only move it within these bounds.
    const leftMs = chunk.acceptedAtMs + scheduledIntervalMs - clock.wallMs();
    const waitMs = Math.min(scheduledIntervalMs, Math.max(openMsMin, leftMs));
    const openedAtMs = clock.monotonicMs();
    const origins = tracing ? new SegmentOrigins(tracing) : null;
    const segment = new OpenSegment(
      { segmentId, partition: chunk.partition, file, openedAtMs, deadlineMs: openedAtMs + waitMs, origins },
      { flushSize, flushBytes: this.#flushBytes },
    );
    this.#open.set(chunk.partition, segment);
    this.#ports.events.opened(1);
    return segment;
  }

  /** The segment is not filled any more: the caller closes or discards it. */
  remove(segment: OpenSegment): void {
    if (this.#open.delete(segment.partition)) this.#ports.events.opened(-1);
  }

  async discard(): Promise<void> {
    const open = this.all;
    for (const segment of open) this.remove(segment);
    for (const segment of open) await segment.file.discard();
  }

  /** On a full disk small objects may still fit. */
  shrinkObjects(): void {
    const halfBytes = Math.max(this.#settings.flushBytesMin, Math.floor(this.#flushBytes / 2));
    this.#flushBytes = Math.min(this.#flushBytes, halfBytes);
  }

  growObjects(): void {
    this.#flushBytes = Math.min(Math.ceil(this.#flushBytes * FLUSH_BYTES_GROWTH), this.#settings.flushBytes);
  }

  /** A segment is due at its interval, or soon after its hour or day has ended. */
  #dueMs(segment: OpenSegment): number {
    const { clock } = this.#ports;
    const { partitionEndGraceMs } = this.#settings;
    const endMs = partitionSpan(segment.partition)?.endMs ?? 0;
    const toEndMs = Math.max(0, endMs + partitionEndGraceMs - clock.wallMs());
    const endDueMs = Math.max(clock.monotonicMs() + toEndMs, segment.openedAtMs + partitionEndGraceMs);
    return Math.min(segment.deadlineMs, endDueMs);
  }
}

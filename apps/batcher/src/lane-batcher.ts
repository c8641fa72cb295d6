import { byteOfLine, type Chunk, type Compression, partitionSpan } from '@sink/domain';
import { type BatcherLane, RedisFailure, RedisRefused, type StreamEntry } from '@sink/lane';
import { Inheritance } from './inheritance.ts';
import { type ChunkCursor, OpenSegment, type SegmentLimits } from './open-segment.ts';
import type { BatcherClock, BatcherEvents, RoomPort, SpoolPort } from './ports.ts';
import { ReadPace } from './read-pace.ts';
import { type Sealer, SealRefused } from './sealer.ts';

export interface LaneBatcherOptions extends SegmentLimits {
  readonly consumer: string;
  readonly scheduledIntervalMs: number;
  readonly compression: Compression;
  readonly compressionLevel?: number;
  /** Files open at a time; one more closes the one that was opened first. */
  readonly openFilesMax: number;
  /** Chunks asked for in one read, at most, and how long a read waits for the first. */
  readonly readChunksMax: number;
  readonly readBlockMs: number;
  /** How long chunks that trickle in are left to gather, so that one read takes many. */
  readonly readGatherMs: number;
  /** How often dead batchers are looked for, and how often the pending list is compared with what is held. */
  readonly claimEveryMs: number;
  readonly auditEveryMs: number;
  readonly scrubEveryMs: number;
}

export interface LaneBatcherPorts {
  /** Reads that block, on a connection of their own. */
  readonly reader: BatcherLane;
  readonly lane: BatcherLane;
  readonly spool: SpoolPort;
  readonly sealer: Sealer;
  readonly room: RoomPort;
  readonly clock: BatcherClock;
  readonly newSegmentId: () => string;
  readonly events: BatcherEvents;
}

/** The shortest life of an open file, so that a backlog older than the interval still fills files. */
const OPEN_AT_LEAST_MS = 1_000;
/** How long a file of a partition that has ended waits for chunks that are still on their way, or in the backlog. */
const PARTITION_END_GRACE_MS = 500;
/** On a full disk objects become smaller, down to this, so that what fits can go. */
const FLUSH_BYTES_MIN = 1024 * 1024;
/** And grow again by this with each one that was sealed. */
const FLUSH_BYTES_GROWTH = 1.25;
/** Foreign entries that are remembered, so that each is reported once and never looked at again. */
const FOREIGN_MAX = 10_000;
/** The wait after a failed read or step, before recovery; it doubles with each failure in a row. */
const RECOVERY_WAIT_MS_MIN = 200;
const RECOVERY_WAIT_MS_MAX = 2_000;

/**
 * Drains one lane: chunks in, sealed segments out. One loop does everything in order, so a chunk is never in two hands.
 *
 * Recovery is the normal path run again: after anything that ended in doubt, and from time to time anyway, the pending
 * list in Redis is compared with what is held here, and what is not held is read again from where it was taken up to.
 */
export class LaneBatcher {
  readonly #ports: LaneBatcherPorts;
  readonly #options: LaneBatcherOptions;
  readonly #open = new Map<string, OpenSegment>();
  /** Chunks that stand in open or closing segments, or are being read into one. */
  readonly #held = new Set<string>();
  readonly #foreign = new Set<string>();
  readonly #inheritance: Inheritance;
  readonly #pace: ReadPace;
  /** The bytes of an object now: less than configured while the disk is full. */
  #flushBytes: number;
  #failuresInARow = 0;
  #closeEarly = false;
  #auditDue = true;
  #lastAuditMs = Number.NEGATIVE_INFINITY;

  constructor(ports: LaneBatcherPorts, options: LaneBatcherOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#inheritance = new Inheritance(ports, options);
    this.#pace = new ReadPace(options.readChunksMax);
    this.#flushBytes = options.flushBytes;
  }

  get openFiles(): number {
    return this.#open.size;
  }

  /** Has what is open sealed soon, full or not, so that it can leave Redis. */
  closeEarly(): void {
    this.#closeEarly = true;
  }

  /** Runs until `halt` aborts, then seals what is open, or throws it away when the lease is `lost`. */
  async run(halt: AbortSignal, lost: AbortSignal): Promise<void> {
    while (!halt.aborted) await this.#guarded(halt, () => this.#turn(halt));
    for (let drained = false; !drained && !lost.aborted;) drained = await this.#guarded(lost, () => this.#drain());
    if (lost.aborted) await this.#discard();
  }

  async #turn(halt: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const { readGatherMs, readBlockMs } = this.#options;
    if (!this.#ports.room.hasRoom()) return this.#waitForRoom(halt);
    if (this.#auditDue) await this.#audit();
    if (this.#pace.trickling) await clock.sleep(Math.min(readGatherMs, this.#untilDueMs()), halt);
    await this.#read(Math.min(readBlockMs, this.#untilDueMs()));
    await this.#closeDue();
    if (await this.#inheritance.takeWhenDue()) this.#auditDue = true;
    if (clock.monotonicMs() - this.#lastAuditMs >= this.#options.auditEveryMs) this.#auditDue = true; // rule: audit.periodic
    this.#ports.sealer.throwIfRefused();
  }

  /** What is open goes, so that uploads make room; nothing more is read until there is some. */
  async #waitForRoom(halt: AbortSignal): Promise<void> {
    this.#closeEarly = true;
    await this.#closeDue();
    await this.#ports.clock.sleep(this.#options.readBlockMs, halt);
    this.#ports.sealer.throwIfRefused();
  }

  /** Errors that recovery mends end here: what is open is thrown away, and read again from the lane. */
  async #guarded(ended: AbortSignal, step: () => Promise<void>): Promise<boolean> {
    const { clock, events, lane } = this.#ports;
    try {
      await step();
      this.#failuresInARow = 0;
      events.working(lane.number);
      return true;
    } catch (error) {
      if (!isMendable(error)) throw error;
      events.recovering(lane.number, error);
      if (isGroupGone(error)) await this.#reopen();
      if (!(error instanceof RedisFailure)) await this.#discard();
      if (isDiskFull(error)) this.#shrinkObjects();
      this.#auditDue = true; // rule: audit.after-doubt
      await clock.sleep(Math.min(RECOVERY_WAIT_MS_MIN * 2 ** this.#failuresInARow, RECOVERY_WAIT_MS_MAX), ended);
      this.#failuresInARow += 1;
      return false;
    }
  }

  async #read(waitMs: number): Promise<readonly StreamEntry[]> {
    const entries = await this.#ports.reader.read(this.#options.consumer, this.#pace.chunks, waitMs);
    this.#pace.took(entries.map((entry) => (entry.kind === 'chunk' ? entry.chunk.body.length : 0)));
    await this.#takeEntries(entries);
    return entries;
  }

  /** Takes what a read or an audit found, from where each chunk was taken up to. */
  async #takeEntries(entries: readonly StreamEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const taken = await this.#ports.lane.taken(entries.map((entry) => entry.id));
    for (const [index, entry] of entries.entries()) {
      if (this.#held.has(entry.id)) continue;
      switch (entry.kind) {
        case 'deleted':
          await this.#ports.lane.acknowledge(entry.id);
          break;
        case 'foreign':
          this.#reportForeign(entry.id, entry.problem);
          break;
        case 'chunk':
          await this.#takeChunk(entry.chunk, taken[index] ?? null);
          break;
      }
    }
  }

  async #takeChunk(chunk: Chunk, taken: number | null): Promise<void> {
    if (taken === null) return this.#settleUncounted(chunk.id);
    if (taken >= chunk.count) return this.#ports.lane.acknowledge(chunk.id);
    const byte = byteOfLine(chunk.body, taken); // rule: batcher.from-taken
    if (byte === -1) return this.#reportForeign(chunk.id, `its body has fewer lines than the ${taken} taken`);
    this.#held.add(chunk.id);
    this.#ports.room.took(chunk.body.length - byte);
    const cursor: ChunkCursor = { chunk, line: taken, byte };
    while (cursor.line < chunk.count) {
      const segment = this.#open.get(chunk.partition) ?? (await this.#openSegment(chunk));
      const full = await segment.fill(cursor);
      if (segment.count === 0) return this.#abandonChunk(chunk.id, segment);
      if (full) await this.#close(segment);
    }
  }

  /** The body ended before its count was reached. What was taken of it stays; the rest is not there. */
  async #abandonChunk(id: string, empty: OpenSegment): Promise<void> {
    this.#open.delete(empty.partition);
    this.#held.delete(id);
    this.#reportForeign(id, 'its body has fewer lines than its count says');
    await empty.file.discard();
  }

  /** A chunk without counters was committed between the read and now, or was never appended by us. */
  async #settleUncounted(id: string): Promise<void> {
    const again = await this.#ports.lane.entry(id);
    if (again.kind === 'deleted') return this.#ports.lane.acknowledge(id);
    this.#reportForeign(id, 'it has no counter');
  }

  async #openSegment(chunk: Chunk): Promise<OpenSegment> {
    const { clock, spool, newSegmentId } = this.#ports;
    const oldest = this.#open.size >= this.#options.openFilesMax ? [...this.#open.values()][0] : undefined;
    if (oldest) await this.#close(oldest);
    const { compression, compressionLevel } = this.#options;
    const segmentId = newSegmentId(); // rule: segment.new-id
    const file = await spool.createSegment({
      segmentId,
      compression,
      ...(compressionLevel === undefined ? {} : { compressionLevel }),
    });
    // The interval counts from the first event; a clock that differs from ingest's can only move it within these bounds.
    const leftMs = chunk.acceptedAtMs + this.#options.scheduledIntervalMs - clock.wallMs();
    const atLeastMs = Math.min(OPEN_AT_LEAST_MS, this.#options.scheduledIntervalMs);
    const waitMs = Math.min(this.#options.scheduledIntervalMs, Math.max(atLeastMs, leftMs));
    const openedAtMs = clock.monotonicMs();
    const segment = new OpenSegment(
      { segmentId, partition: chunk.partition, file, openedAtMs, deadlineMs: openedAtMs + waitMs },
      { flushSize: this.#options.flushSize, flushBytes: this.#flushBytes },
    );
    this.#open.set(chunk.partition, segment);
    return segment;
  }

  /** When an open segment is closed: at its interval, or soon after its hour or day has ended. */
  #dueMs(segment: OpenSegment): number {
    const { clock } = this.#ports;
    const endMs = partitionSpan(segment.partition)?.endMs ?? 0;
    const toEndMs = Math.max(0, endMs + PARTITION_END_GRACE_MS - clock.wallMs());
    const endDueMs = Math.max(clock.monotonicMs() + toEndMs, segment.openedAtMs + PARTITION_END_GRACE_MS);
    return Math.min(segment.deadlineMs, endDueMs);
  }

  /** How long no file has to be closed, in whole milliseconds. */
  #untilDueMs(): number {
    const nextMs = Math.min(...[...this.#open.values()].map((segment) => this.#dueMs(segment)));
    return Math.max(0, Math.ceil(nextMs - this.#ports.clock.monotonicMs()));
  }

  async #closeDue(): Promise<void> {
    const all = this.#closeEarly;
    this.#closeEarly = false;
    for (const segment of [...this.#open.values()]) {
      if (all || this.#dueMs(segment) <= this.#ports.clock.monotonicMs()) await this.#close(segment);
    }
  }

  async #close(segment: OpenSegment): Promise<void> {
    this.#open.delete(segment.partition);
    await this.#ports.sealer.close(segment, () => {
      for (const id of segment.finishedChunks) this.#held.delete(id);
      this.#flushBytes = Math.min(Math.ceil(this.#flushBytes * FLUSH_BYTES_GROWTH), this.#options.flushBytes);
    });
  }

  /** Throws away what is not sealed. Nothing is lost by it: every chunk is in the lane until it is committed. */
  async #discard(): Promise<void> {
    await this.#ports.sealer.settle();
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#held.clear(); // rule: batcher.discard
    for (const segment of open) await segment.file.discard();
    this.#ports.sealer.reset();
  }

  /** Compares the pending list with what is held, and reads again what is not: lost reads, claims, everything in doubt. */
  async #audit(): Promise<void> {
    const { lane } = this.#ports;
    this.#lastAuditMs = this.#ports.clock.monotonicMs();
    this.#auditDue = false;
    let after = '';
    for (;;) {
      const page = await lane.pending(this.#options.consumer, after);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last;
      for (const id of page) {
        if (this.#held.has(id) || this.#foreign.has(id)) continue;
        await this.#takeEntries([await lane.entry(id)]);
      }
      this.#ports.sealer.throwIfRefused();
      await this.#closeDue();
    }
  }

  /**
   * Before the end: what was appended by now and can be had is read, and everything that is open is sealed. What comes
   * later is for others: where ingests go on, reading would never end.
   */
  async #drain(): Promise<void> {
    const { lane, sealer } = this.#ports;
    await this.#inheritance.claimDead();
    await this.#audit();
    const last = await lane.lastAppended();
    for (let more = true; more;) {
      const newest = (await this.#read(0)).at(-1);
      sealer.throwIfRefused();
      more = newest !== undefined && isOlder(newest.id, last);
    }
    for (const segment of [...this.#open.values()]) await this.#close(segment);
    await sealer.settle();
    sealer.throwIfRefused();
  }

  /** So that what fits on the disk can go; every seal lets it grow again, up to what is configured. */
  #shrinkObjects(): void {
    const halfBytes = Math.max(FLUSH_BYTES_MIN, Math.floor(this.#flushBytes / 2));
    this.#flushBytes = Math.min(this.#flushBytes, halfBytes);
  }

  /** The group is gone: Redis started empty, or somebody removed it. */
  async #reopen(): Promise<void> {
    await this.#discard();
    await this.#ports.sealer.openLane().catch(() => undefined);
  }

  #reportForeign(id: string, problem: string): void {
    if (this.#foreign.size >= FOREIGN_MAX || this.#foreign.has(id)) return;
    this.#foreign.add(id);
    this.#ports.events.foreign(this.#ports.lane.number, id, problem);
  }
}

/** Redis' and the disk's failures mend by reading again; anything else is a broken invariant and ends the process. */
function isMendable(error: unknown): boolean {
  if (error instanceof RedisFailure || error instanceof SealRefused) return true;
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'disk_full';
}

/** NOGROUP, or where a command asks for the stream itself: ERR no such key. */
function isGroupGone(error: unknown): boolean {
  return error instanceof RedisRefused && (error.code === 'NOGROUP' || error.message.includes('no such key'));
}

/** Whether the stream's entry `id` comes before `other`: `milliseconds-number`, each of up to 64 bits. */
function isOlder(id: string, other: string): boolean {
  const [ms = '0', number = '0'] = id.split('-');
  const [otherMs = '0', otherNumber = '0'] = other.split('-');
  if (ms !== otherMs) return BigInt(ms) < BigInt(otherMs);
  return BigInt(number) < BigInt(otherNumber);
}

import { backoffMs, byteOfLine, type Chunk, isOlderChunk, isRetryable } from '@sink/domain';
import { type BatcherLane, RedisFailure, RedisRefused, type StreamEntry } from '@sink/lane';
import { SpoolError } from '@sink/spool';
import type { LaneFlush } from '../instance/flush-watch.ts';
import type { ClosedBy } from '../metrics.ts';
import type { BatcherPorts, LaneEvents, LaneSpool, Reporter, UploadHandover } from '../ports.ts';
import type { BatcherSettings } from '../settings.ts';
import type { SpoolRoom } from '../spool/spool-room.ts';
import type { ChunkCursor, OpenSegment } from './open-segment.ts';
import { type OpenLimits, OpenSegments } from './open-segments.ts';
import { ReadPace } from './read-pace.ts';
import { Sealer } from './sealer.ts';
import { Takeover } from './takeover.ts';
import { WaitingChunks } from './waiting-chunks.ts';

export interface LaneBatcherPorts extends Pick<BatcherPorts, 'clock' | 'random' | 'ids' | 'tracing'> {
  readonly lane: BatcherLane;
  /** The same lane on a connection of its own, for reads that wait. */
  readonly reader: BatcherLane;
  readonly spool: LaneSpool;
  readonly room: Pick<SpoolRoom, 'hasRoom' | 'took' | 'holds'>;
  readonly uploads: UploadHandover;
  readonly events: LaneEvents;
  /** Learns of seals without an answer, which are sent again until there is one. */
  readonly sealing: Reporter;
}

export interface LaneBatcherOptions {
  readonly consumer: string;
  readonly openLimits: () => OpenLimits;
  /** Aborts when the lease is lost. */
  readonly lost: AbortSignal;
}

/**
 * Drains one lane: chunks in, sealed segments out. One loop does everything in order, so no chunk is handled twice.
 *
 * Chunks that are read and not sealed yet are "open": they are in segments that are being filled or closed. What becomes of
 * them:
 *
 *     event                                          what is open      then
 *     Redis fails, or an answer is lost              is kept           after a wait: audit
 *     the lane refuses a seal, or a file fails       is thrown away    after a wait: new sealer, audit
 *     the consumer group is gone                     is thrown away    after a wait: lane opened, new sealer, audit
 *     the lease is lost, or another lane has failed  is thrown away    the instance ends
 *     the service stops                              is sealed         the instance ends
 *     any other error (spool_gone, broken invariant) is left           the instance ends, or the process
 *
 * What is thrown away is not lost, because every chunk stays in the lane until it is committed. The audit compares the
 * pending list in Redis with the open chunks and reads the others again, each from where it was sealed up to. It also runs
 * from time to time.
 */
export class LaneBatcher {
  readonly #ports: LaneBatcherPorts;
  readonly #settings: BatcherSettings;
  readonly #options: LaneBatcherOptions;
  readonly #open: OpenSegments;
  /** Chunks in segments that are open or closing, or that are being read into one. */
  readonly #held = new Set<string>();
  readonly #foreign = new Set<string>();
  readonly #waiting: WaitingChunks;
  readonly #takeover: Takeover;
  readonly #pace: ReadPace;
  #sealer: Sealer;
  #laneUid = '';
  #failuresInARow = 0;
  /** `isRead`: this batcher gets no more of its chunks by reading. */
  #flush: { readonly asked: LaneFlush; isRead: boolean } | null = null;
  #auditDue = true;
  #lastAuditMs = Number.NEGATIVE_INFINITY;

  constructor(ports: LaneBatcherPorts, settings: BatcherSettings, options: LaneBatcherOptions) {
    this.#ports = ports;
    this.#settings = settings;
    this.#options = options;
    this.#open = new OpenSegments(ports, settings, options.openLimits);
    this.#takeover = new Takeover(ports, settings, options.consumer);
    this.#waiting = new WaitingChunks(settings.foreignMax, ports.events.waiting);
    this.#pace = new ReadPace(settings.readChunksMax, settings.readBytes);
    this.#sealer = this.#newSealer();
  }

  /** Seals soon what holds events of these chunks, also of those that are read later; null: no more. */
  flush(asked: LaneFlush | null): void {
    if (this.#flush?.asked.id !== asked?.id) this.#flush = asked === null ? null : { asked, isRead: false };
  }

  /** Seals what is open soon, full or not, so that it can leave Redis. */
  closeEarly(): void {
    this.#open.closeAll();
  }

  /** Whether a segment's file is between sealed on disk and sealed in the lane. */
  isClosing(segmentId: string): boolean {
    return this.#sealer.isClosing(segmentId);
  }

  /** Creates in Redis what the lane needs. To be called before run(). */
  async openLane(): Promise<void> {
    this.#laneUid = await this.#ports.lane.open(this.#ports.ids.laneUid());
    this.#sealer = this.#newSealer();
  }

  /** Runs until `halt` aborts, then seals what is open, or throws it away when the lease is lost. */
  async run(halt: AbortSignal): Promise<void> {
    const { lost } = this.#options;
    try {
      while (!halt.aborted) await this.#guarded(halt, () => this.#turn(halt));
      for (let drained = false; !drained && !lost.aborted;) drained = await this.#guarded(lost, () => this.#drain());
      if (lost.aborted) await this.#discard();
    } finally {
      this.#open.removeAll();
    }
  }

  async #turn(halt: AbortSignal): Promise<void> {
    const { clock, room } = this.#ports;
    const { readGatherMs, readBlockMs, auditEveryMs } = this.#settings;
    if (!room.hasRoom()) return this.#waitForRoom(halt);
    if (this.#auditDue) await this.#audit();
    if (this.#pace.trickling) await clock.sleep(Math.min(readGatherMs, this.#open.untilDueMs), halt);
    await this.#read(Math.min(readBlockMs, this.#open.untilDueMs));
    await this.#closeDue(this.#settings.closingsPerTurnMax);
    await this.#closeFlushed();
    if (await this.#takeover.takeWhenDue()) this.#auditDue = true;
    if (clock.monotonicMs() - this.#lastAuditMs >= auditEveryMs) this.#auditDue = true; // rule: audit.periodic
    this.#sealer.failed.throwIfAborted();
  }

  /** Seals what is open, so that uploads make room, and reads nothing more until there is some. */
  async #waitForRoom(halt: AbortSignal): Promise<void> {
    this.#open.closeAll();
    await this.#closeDue();
    await this.#ports.clock.sleep(this.#settings.readBlockMs, halt);
    this.#sealer.failed.throwIfAborted();
  }

  /**
   * Runs one step; false if it failed with a retryable error.
   * @throws any other error
   */
  async #guarded(ended: AbortSignal, step: () => Promise<void>): Promise<boolean> {
    const { clock, random, events } = this.#ports;
    const { recoveryRetry } = this.#settings;
    try {
      await step();
      this.#failuresInARow = 0;
      events.working();
      return true;
    } catch (error) {
      if (!isRetryable(error)) throw error;
      if (this.#options.lost.aborted) return false;
      events.recovering(error);
      if (this.#sealer.failed.aborted || !(error instanceof RedisFailure)) await this.#discard();
      if (isGroupGone(error)) await this.#reopen();
      if (error instanceof SpoolError && error.code === 'disk_full') this.#open.shrinkObjects();
      this.#auditDue = true; // rule: audit.after-doubt
      this.#failuresInARow += 1;
      await clock.sleep(backoffMs(this.#failuresInARow, recoveryRetry, random()), ended);
      return false;
    }
  }

  async #read(waitMs: number): Promise<readonly StreamEntry[]> {
    const flush = this.#flush;
    const chunksMax = this.#pace.chunks;
    const entries = await this.#ports.reader.read(this.#options.consumer, chunksMax, waitMs);
    const newest = entries.at(-1);
    const isShort = entries.length < chunksMax || newest === undefined;
    if (flush !== null && (isShort || !isOlderChunk(newest.id, flush.asked.upTo))) flush.isRead = true;
    this.#pace.took(entries.map((entry) => (entry.kind === 'chunk' ? entry.chunk.body.length : 0)));
    await this.#takeEntries(entries);
    return entries;
  }

  /** Takes what a read or an audit returned, each chunk from where it was sealed up to. */
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
          await this.#takeChunk(this.#asStored(entry.chunk), taken[index] ?? null);
          break;
      }
    }
  }

  /** A chunk of a retired route is one of its target, with its own path. */
  #asStored(chunk: Chunk): Chunk {
    const target = this.#settings.routes.get(chunk.route)?.storedAs;
    return target === undefined ? chunk : { ...chunk, route: target };
  }

  async #takeChunk(chunk: Chunk, taken: number | null): Promise<void> {
    if (taken === null) return this.#settleUncounted(chunk.id);
    if (taken >= chunk.count) return this.#ports.lane.acknowledge(chunk.id);
    const rules = this.#settings.routes.get(chunk.route);
    if (rules === undefined) return this.#waiting.add(chunk.id, chunk.route); // rule: batcher.known-route
    const byte = byteOfLine(chunk.body, taken); // rule: batcher.from-taken
    if (byte === -1) return this.#reportForeign(chunk.id, `its body has fewer lines than the ${taken} taken`);
    this.#held.add(chunk.id);
    const cursor: ChunkCursor = { chunk, line: taken, byte };
    const open = this.#open.of(chunk);
    // The events of one request may be in both chunks, the earlier ones in this.
    if (open?.isAfter(chunk.id) === true) await this.#close(open, 'order'); // rule: segment.in-order
    while (cursor.line < chunk.count) {
      const segment = this.#open.of(chunk) ?? this.#open.open(chunk, rules);
      const run = segment.next(cursor);
      if (this.#open.needsFile(segment, cursor, run)) await this.#openFile(segment);
      await this.#open.take(segment, cursor, run);
      if (segment.count === 0) return this.#abandonChunk(chunk.id, segment);
      // Not full, and yet it takes no more: the next event is too large for what is left.
      if (cursor.line < chunk.count || segment.isFull) await this.#close(segment, segment.fullBy ?? 'flush_bytes');
    }
    for (let { surplusInMemory: one } = this.#open; one; { surplusInMemory: one } = this.#open)
      await this.#close(one, 'surplus');
  }

  /** The body ends before its count is reached. What was taken of it stays sealed; the rest does not exist. */
  async #abandonChunk(id: string, empty: OpenSegment): Promise<void> {
    this.#open.remove(empty);
    this.#held.delete(id);
    this.#reportForeign(id, 'its body has fewer lines than its count says');
    await empty.discard();
  }

  /** A chunk without counters was committed between the read and now, or no ingest appended it. */
  async #settleUncounted(id: string): Promise<void> {
    const again = await this.#ports.lane.entry(id);
    if (again.kind === 'deleted') return this.#ports.lane.acknowledge(id);
    this.#reportForeign(id, 'it has no counter');
  }

  async #openFile(segment: OpenSegment): Promise<void> {
    for (let { surplusFile: one } = this.#open; one; { surplusFile: one } = this.#open)
      await this.#close(one, 'surplus');
    await this.#open.openFile(segment);
  }

  /** @param max further ones wait for the next turn, so that reading goes on while many files are closed */
  async #closeDue(max = Infinity, by?: ClosedBy): Promise<void> {
    for (let closed = 0; closed < max; closed++) {
      const { due } = this.#open;
      if (due === undefined) return;
      await this.#close(due, by ?? this.#open.dueBy(due));
      this.#sealer.failed.throwIfAborted();
    }
  }

  /** Not before all is read that belongs to it, so that a backlog does not become many small objects. */
  async #closeFlushed(): Promise<void> {
    if (this.#flush?.isRead !== true) return;
    const { upTo, path } = this.#flush.asked;
    for (const segment of this.#open.holding(upTo, path)) await this.#close(segment, 'flush'); // rule: flush.closes
  }

  async #close(segment: OpenSegment, by: ClosedBy): Promise<void> {
    this.#open.remove(segment);
    this.#ports.room.took(segment.heldBytes);
    await this.#sealer.close(segment, () => {
      for (const id of segment.finishedChunks) this.#held.delete(id);
      this.#open.growObjects();
      this.#ports.events.closed(by);
    });
  }

  /** Throws away what is open, and is ready for other segments. */
  async #discard(): Promise<void> {
    await this.#sealer.settle();
    this.#held.clear(); // rule: batcher.discard
    await this.#open.discard();
    this.#sealer = this.#newSealer();
  }

  /** Compares the pending list with what is open, and reads the rest again: lost reads, claims, everything in doubt. */
  async #audit(): Promise<void> {
    const { lane } = this.#ports;
    this.#lastAuditMs = this.#ports.clock.monotonicMs();
    this.#auditDue = false;
    this.#waiting.auditBegins();
    let after = '';
    for (;;) {
      const page = await lane.pending(this.#options.consumer, after);
      const last = page.at(-1);
      if (last === undefined) return this.#waiting.auditEnds();
      after = last;
      for (const id of page) {
        if (this.#held.has(id) || this.#foreign.has(id)) continue;
        if (this.#waiting.stillWaits(id, this.#settings.routes)) continue;
        await this.#takeEntries([await lane.entry(id)]);
      }
      this.#sealer.failed.throwIfAborted();
      await this.#closeDue();
    }
  }

  /**
   * Before the end: reads what was appended by now, and seals everything that is open. Later chunks are for other batchers:
   * where ingests continue, reading would never end.
   */
  async #drain(): Promise<void> {
    const { lane } = this.#ports;
    await this.#takeover.claimDead();
    await this.#audit();
    const last = await lane.lastAppended();
    for (let more = true; more;) {
      const newest = (await this.#read(0)).at(-1);
      this.#sealer.failed.throwIfAborted();
      more = newest !== undefined && isOlderChunk(newest.id, last);
    }
    this.#open.closeAll();
    await this.#closeDue(Infinity, 'stop');
    await this.#sealer.settle();
    this.#sealer.failed.throwIfAborted();
  }

  /** The group is gone: Redis started empty, or an operator removed it. */
  async #reopen(): Promise<void> {
    await this.#discard();
    await this.openLane().catch(() => undefined);
  }

  #newSealer(): Sealer {
    return new Sealer(this.#ports, this.#settings, this.#laneUid, this.#options.lost);
  }

  #reportForeign(id: string, problem: string): void {
    if (this.#foreign.size >= this.#settings.foreignMax || this.#foreign.has(id)) return;
    this.#foreign.add(id);
    this.#ports.events.foreign(id, problem);
  }
}

/** NOGROUP, or from a command that names the stream itself: ERR no such key. */
function isGroupGone(error: unknown): boolean {
  return error instanceof RedisRefused && (error.code === 'NOGROUP' || error.message.includes('no such key'));
}

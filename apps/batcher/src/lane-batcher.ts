import { byteOfLine, type Chunk, type Compression, partitionSpan } from '@sink/domain';
import { type Lane, RedisInDoubt, RedisRefused, type StreamEntry } from '@sink/lane';
import { type ChunkCursor, OpenSegment, type SegmentLimits } from './open-segment.ts';
import type { BatcherClock, SpoolPort } from './ports.ts';
import { Sealer, SealRefused } from './sealer.ts';

export interface LaneBatcherOptions extends SegmentLimits {
  readonly consumer: string;
  readonly scheduledIntervalMs: number;
  readonly compression: Compression;
  readonly compressionLevel?: number;
  /** Files open at a time; one more closes the one that was opened first. */
  readonly openFilesMax: number;
  /** Chunks asked for in one read, and how long a read waits for the first. */
  readonly readChunksMax: number;
  readonly readBlockMs: number;
  /** How often dead batchers are looked for, and how often the pending list is compared with what is held. */
  readonly claimEveryMs: number;
  readonly auditEveryMs: number;
  readonly scrubEveryMs: number;
}

/** What the operator is told; labels and gauges are the service's business. */
export interface BatcherEvents {
  readonly foreign: (lane: number, id: string, problem: string) => void;
  readonly claimed: (lane: number, from: string, chunks: number) => void;
  readonly restored: (lane: number, chunks: number) => void;
  readonly recovering: (lane: number, reason: unknown) => void;
}

export interface LaneBatcherPorts {
  /** Reads that block, on a connection of their own. */
  readonly reader: Lane;
  readonly lane: Lane;
  readonly spool: SpoolPort;
  readonly sealer: Sealer;
  readonly clock: BatcherClock;
  readonly newSegmentId: () => string;
  readonly events: BatcherEvents;
}

/** The shortest life of an open file, so that a backlog older than the interval still fills files. */
const OPEN_AT_LEAST_MS = 1_000;
/** How long the last file of a partition that has ended waits for chunks that were still on their way. */
const PARTITION_END_GRACE_MS = 500;
/** Foreign entries that are remembered, so that each is reported once and never looked at again. */
const FOREIGN_MAX = 10_000;
/** The wait after a failed read or step, before recovery. */
const RECOVERY_WAIT_MS = 200;

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
  #auditDue = true;
  #lastClaimMs = Number.NEGATIVE_INFINITY;
  #lastAuditMs = Number.NEGATIVE_INFINITY;
  #lastScrubMs = 0;
  #scrubCursor = '0';

  constructor(ports: LaneBatcherPorts, options: LaneBatcherOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#lastScrubMs = ports.clock.monotonicMs();
  }

  get openFiles(): number {
    return this.#open.size;
  }

  /** Runs until `halt` aborts, then seals what is open, or throws it away when the lease is `lost`. */
  async run(halt: AbortSignal, lost: AbortSignal): Promise<void> {
    while (!halt.aborted) await this.#guarded(() => this.#turn());
    for (let drained = false; !drained && !lost.aborted;) drained = await this.#guarded(() => this.#drain());
    if (lost.aborted) await this.#discard();
  }

  async #turn(): Promise<void> {
    const { clock } = this.#ports;
    if (this.#auditDue) await this.#audit();
    const nextMs = Math.min(...[...this.#open.values()].map((segment) => this.#dueMs(segment)));
    const waitMs = Math.min(this.#options.readBlockMs, Math.max(0, Math.ceil(nextMs - clock.monotonicMs())));
    await this.#read(waitMs);
    await this.#closeDue();
    await this.#maintain();
    this.#ports.sealer.throwIfRefused();
  }

  /** Errors that recovery mends end here: what is open is thrown away, and read again from the lane. */
  async #guarded(step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      if (error instanceof DamagedChunk) this.#reportForeign(error.chunkId, error.message);
      else if (!isMendable(error)) throw error;
      this.#ports.events.recovering(this.#ports.lane.number, error);
      if (error instanceof RedisRefused && error.code === 'NOGROUP') await this.#reopen();
      if (!(error instanceof RedisInDoubt) && !(error instanceof RedisRefused)) await this.#discard();
      this.#auditDue = true;
      await this.#ports.clock.sleep(RECOVERY_WAIT_MS);
      return false;
    }
  }

  async #read(waitMs: number): Promise<boolean> {
    const entries = await this.#ports.reader.read(this.#options.consumer, this.#options.readChunksMax, waitMs);
    await this.#takeEntries(entries);
    return entries.length > 0;
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
    const byte = byteOfLine(chunk.body, taken);
    if (byte === -1) return this.#reportForeign(chunk.id, `its body has fewer lines than the ${taken} taken`);
    this.#held.add(chunk.id);
    const cursor: ChunkCursor = { chunk, line: taken, byte };
    while (cursor.line < chunk.count) {
      const before = cursor.line;
      const segment = this.#open.get(chunk.partition) ?? (await this.#openSegment(chunk));
      if (await segment.fill(cursor)) await this.#close(segment);
      if (cursor.line === before && segment.count === 0) {
        throw new DamagedChunk(chunk.id);
      }
    }
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
    const segmentId = newSegmentId();
    const file = await spool.createSegment({
      segmentId,
      compression,
      ...(compressionLevel === undefined ? {} : { compressionLevel }),
    });
    // The interval counts from the first event; a clock that differs from ingest's can only move it within these bounds.
    const leftMs = chunk.acceptedAtMs + this.#options.scheduledIntervalMs - clock.wallMs();
    const atLeastMs = Math.min(OPEN_AT_LEAST_MS, this.#options.scheduledIntervalMs);
    const waitMs = Math.min(this.#options.scheduledIntervalMs, Math.max(atLeastMs, leftMs));
    const deadlineMs = clock.monotonicMs() + waitMs;
    const segment = new OpenSegment({ segmentId, partition: chunk.partition, file, deadlineMs }, this.#options);
    this.#open.set(chunk.partition, segment);
    return segment;
  }

  /** When an open segment is closed: at its interval, or soon after its hour or day has ended. */
  #dueMs(segment: OpenSegment): number {
    const { clock } = this.#ports;
    const endMs = partitionSpan(segment.partition)?.endMs ?? 0;
    const toEndMs = endMs + PARTITION_END_GRACE_MS - clock.wallMs();
    return Math.min(segment.deadlineMs, clock.monotonicMs() + Math.max(toEndMs, 0));
  }

  async #closeDue(): Promise<void> {
    for (const segment of [...this.#open.values()]) {
      if (this.#dueMs(segment) <= this.#ports.clock.monotonicMs()) await this.#close(segment);
    }
  }

  async #close(segment: OpenSegment): Promise<void> {
    this.#open.delete(segment.partition);
    await this.#ports.sealer.close(segment, () => {
      for (const id of segment.finishedChunks) this.#held.delete(id);
    });
  }

  /** Throws away what is not sealed. Nothing is lost by it: every chunk is in the lane until it is committed. */
  async #discard(): Promise<void> {
    await this.#ports.sealer.settle();
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#held.clear();
    for (const segment of open) await segment.file.discard();
    this.#ports.sealer.reset();
  }

  async #maintain(): Promise<void> {
    const { clock, lane, events } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastClaimMs >= this.#options.claimEveryMs) {
      this.#lastClaimMs = nowMs;
      await this.#claimDead();
    }
    if (nowMs - this.#lastScrubMs >= this.#options.scrubEveryMs) {
      this.#lastScrubMs = nowMs;
      const { cursor, restored } = await lane.scrub(this.#options.consumer, this.#scrubCursor);
      this.#scrubCursor = cursor;
      if (restored > 0) {
        events.restored(lane.number, restored);
        this.#auditDue = true;
      }
    }
    if (nowMs - this.#lastAuditMs >= this.#options.auditEveryMs) this.#auditDue = true;
  }

  async #claimDead(): Promise<void> {
    const { lane, events } = this.#ports;
    for (const other of await lane.consumers()) {
      if (other === this.#options.consumer) continue;
      for (let more = true; more;) {
        const { kind, chunks } = await lane.claim(other, this.#options.consumer);
        more = kind === 'more';
        if (chunks === 0) continue;
        this.#auditDue = true;
        events.claimed(lane.number, other, chunks);
      }
    }
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
    }
  }

  /** Before the end: what was appended by now and can be had is read, and everything that is open is sealed. */
  async #drain(): Promise<void> {
    await this.#claimDead();
    await this.#audit();
    while (await this.#read(0)) this.#ports.sealer.throwIfRefused();
    for (const segment of [...this.#open.values()]) await this.#close(segment);
    await this.#ports.sealer.settle();
    this.#ports.sealer.throwIfRefused();
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

class DamagedChunk extends Error {
  readonly code = 'chunk_damaged';
  readonly chunkId: string;
  constructor(chunkId: string) {
    super(`reading chunk ${chunkId}: its body has fewer lines than its count says`);
    this.name = 'DamagedChunk';
    this.chunkId = chunkId;
  }
}

/** Redis' and the disk's failures mend by reading again; anything else is a broken invariant and ends the process. */
function isMendable(error: unknown): boolean {
  if (error instanceof RedisInDoubt || error instanceof RedisRefused || error instanceof SealRefused) return true;
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}

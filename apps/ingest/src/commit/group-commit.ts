import { partitionAt, partitionSpan, type PartitionSpan, type TimeInterval } from '@sink/domain';
import type { AppendOutcome, EventAppender, Settle } from './appender.ts';
import { ChunkBuilder, type PendingChunk } from './chunk-builder.ts';
import type { LaneWriter } from './lane-writer.ts';

export interface GroupCommitClock {
  wallMs(): number;
  monotonicMs(): number;
  /** Calls back once, soon, when the events that are ready now were handled: one chunk a tick, not one a request. */
  soon(callback: () => void): void;
  /** Calls back once after `ms`; the returned function takes it back. */
  after(ms: number, callback: () => void): () => void;
}

export interface GroupCommitOptions {
  readonly timeInterval: TimeInterval;
  /** How long a submission is held up while Redis is away or full, in milliseconds, before it is refused. */
  readonly holdMaxMs: number;
}

/**
 * What is left to a request that was held for nearly its whole `holdMaxMs` before: an append is a matter of milliseconds,
 * and brokers wait longer than the hold.
 */
const APPEND_MS_MIN = 250;
/**
 * How long a chunk is left to gather while every turn of the event loop brings more for it. That is under full load only; at
 * half of it a turn soon brings nothing, and the chunk goes.
 */
const GATHER_MS_MAX = 2;
/** How long a chunk that is not full waits for an append in flight, before another writer takes it. */
const BEHIND_MS_MAX = 10;

/**
 * Group commit: submissions that arrive together share a chunk, and so one append and one fsync. Each of `writers` has one
 * chunk in flight; what arrives meanwhile is the next chunk. Submissions are bounded by whoever submits (admission).
 *
 * An append costs Redis, batcher and ingest much the same whether it carries five events or fifty. So a chunk goes out when
 * it is full, or when a turn of the loop brought nothing more for it and no other is in flight; a further writer helps out
 * with full chunks, and where an append is slow. At one event a request on 128 connections that takes a quarter off Redis' CPU
 * time an event, and a tenth off that of the whole sink.
 */
export class GroupCommit implements EventAppender {
  readonly #builder = new ChunkBuilder();
  readonly #idle: LaneWriter[];
  readonly #writers: readonly LaneWriter[];
  readonly #clock: GroupCommitClock;
  readonly #options: GroupCommitOptions;
  readonly #onCrash: (error: unknown) => void;
  #partition = '';
  #span: PartitionSpan = { startMs: 0, endMs: 0 };
  #ticking = false;
  #overtaking: (() => void) | null = null;
  #expiry: { readonly atMs: number; readonly cancel: () => void } | null = null;
  #whenIdle: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  constructor(
    writers: readonly LaneWriter[],
    clock: GroupCommitClock,
    options: GroupCommitOptions,
    onCrash: (error: unknown) => void,
  ) {
    this.#writers = writers;
    this.#idle = [...writers];
    this.#clock = clock;
    this.#options = options;
    this.#onCrash = onCrash;
  }

  submit(lines: readonly string[], settle: Settle, heldMs: number): void {
    if (this.#stopped) return settle('stopping');
    const acceptedAtMs = this.#clock.wallMs();
    const leftMs = Math.max(this.#options.holdMaxMs - heldMs, APPEND_MS_MIN);
    const deadlineMs = this.#clock.monotonicMs() + leftMs;
    this.#builder.add(lines, settle, { partition: this.#partitionNow(acceptedAtMs), acceptedAtMs, deadlineMs });
    this.#tickSoon();
    this.#expireLater();
  }

  /** Takes nothing more, waits until everything in flight has settled, and forgets the writers in Redis. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (this.#busy()) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#expiry?.cancel();
    this.#overtaking?.();
    await Promise.all(this.#writers.map((writer) => writer.close()));
  }

  #busy(): boolean {
    return this.#idle.length < this.#writers.length || this.#builder.deadlineMs !== null;
  }

  /** The clock may jump back: a partition is entered again then, and no file ever mixes two. */
  #partitionNow(nowMs: number): string {
    if (nowMs < this.#span.startMs || nowMs >= this.#span.endMs) {
      this.#partition = partitionAt(nowMs, this.#options.timeInterval);
      this.#span = partitionSpan(this.#partition) ?? { startMs: nowMs, endMs: nowMs };
    }
    return this.#partition;
  }

  #tickSoon(): void {
    if (this.#ticking || this.#idle.length === 0) return;
    this.#ticking = true;
    this.#gather(this.#clock.monotonicMs());
  }

  /** Lets turns of the loop pass while they bring more for a chunk that could go out at once. */
  #gather(sinceMs: number): void {
    const { growingEvents } = this.#builder;
    this.#clock.soon(() => {
      const grows = this.#builder.growingEvents > growingEvents && this.#idle.length === this.#writers.length;
      if (grows && this.#clock.monotonicMs() - sinceMs < GATHER_MS_MAX) return this.#gather(sinceMs);
      this.#ticking = false;
      this.#tick();
    });
  }

  #tick(overtake = false): void {
    while (this.#idle.length > 0) {
      const alone = this.#idle.length === this.#writers.length;
      const chunk = alone || overtake ? this.#builder.take() : this.#builder.takeFull();
      if (!chunk) break;
      const writer = this.#idle.pop();
      if (writer) void this.#store(writer, chunk);
    }
    this.#overtakeLater();
    if (!this.#busy()) this.#whenIdle?.();
  }

  /** What waits for an append in flight, while another writer is idle, waits for a moment only. */
  #overtakeLater(): void {
    if (this.#overtaking !== null || this.#idle.length === 0 || this.#builder.growingEvents === 0) return;
    this.#overtaking = this.#clock.after(BEHIND_MS_MAX, () => {
      this.#overtaking = null;
      this.#tick(true);
    });
  }

  async #store(writer: LaneWriter, chunk: PendingChunk): Promise<void> {
    const dropTimer = this.#clock.after(Math.max(0, chunk.deadlineMs - this.#clock.monotonicMs()), () =>
      // Nobody waits longer than the hold, even when Redis does not answer at all.
      settleAll(chunk, writer.outcomeNow),
    );
    try {
      settleAll(chunk, await writer.store(chunk));
    } catch (error) {
      settleAll(chunk, 'in_doubt');
      this.#onCrash(error);
    } finally {
      dropTimer();
      this.#idle.push(writer);
      this.#tick();
    }
  }

  /** What holds up the chunks that no writer has taken yet. */
  #heldBy(): AppendOutcome {
    return this.#writers.some((writer) => writer.heldBy === 'backlog_full') ? 'backlog_full' : 'redis_away';
  }

  /** While all writers are busy, what waits behind them is refused in time too. */
  #expireLater(): void {
    const deadlineMs = this.#builder.deadlineMs;
    if (deadlineMs === null || (this.#expiry !== null && this.#expiry.atMs <= deadlineMs)) return;
    this.#expiry?.cancel();
    const cancel = this.#clock.after(Math.max(1, deadlineMs - this.#clock.monotonicMs()), () => {
      this.#expiry = null;
      for (const chunk of this.#builder.takeDue(this.#clock.monotonicMs())) settleAll(chunk, this.#heldBy());
      this.#expireLater();
      if (!this.#busy()) this.#whenIdle?.();
    });
    this.#expiry = { atMs: deadlineMs, cancel };
  }
}

/** All who wait for a chunk, in one loop; nobody is told twice. */
function settleAll(chunk: PendingChunk, outcome: AppendOutcome): void {
  for (const settle of chunk.waiting.splice(0)) settle(outcome);
}

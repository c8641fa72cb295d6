import { partitionAt, partitionSpan, type PartitionSpan, type TimeInterval } from '@sink/domain';
import type { SpanIdentity } from '@sink/tracing';
import { type AppendOutcome, type EventAppender, linesOfPlain, neverGone, type Part, type Settle } from './appender.ts';
import { ChunkBuilder, type PendingChunk } from './chunk-builder.ts';
import type { HoldUp, LaneWriter } from './lane-writer.ts';

export interface GroupCommitClock {
  wallMs(): number;
  monotonicMs(): number;
  /** Calls back once, soon, after the events that are ready now: one chunk a turn of the loop, not one a request. */
  soon(callback: () => void): void;
  /** Calls back once after `ms`; the returned function cancels that. */
  after(ms: number, callback: () => void): () => void;
}

/** Times in milliseconds. */
export interface GroupCommitSettings {
  readonly timeInterval: TimeInterval;
  /** How long a submission waits while Redis is away or full, before it is refused. */
  readonly holdMaxMs: number;
  /** What is left to a request that has waited for nearly its whole `holdMaxMs` before. */
  readonly appendMsMin: number;
  /** How long a chunk gathers at most while every turn of the event loop brings more for it. */
  readonly gatherMsMax: number;
  /** How long a chunk that is not full waits for an append in flight, before another writer takes it. */
  readonly behindMsMax: number;
}

/** Whether submissions are taken. `drained` resolves when all of them have settled. */
type Life =
  | { readonly kind: 'taking' }
  | { readonly kind: 'stopping'; readonly drained: () => void; readonly ended: Promise<void> };

/**
 * Group commit: submissions that arrive together share a chunk, and so one append and one fsync. Each of `writers` has one
 * chunk in flight; submissions that arrive meanwhile form the next chunk. The caller bounds submissions (Admission).
 *
 * An append costs Redis, batcher and ingest much the same for five events as for fifty. So a chunk leaves when it is full, or
 * when a turn of the loop brought nothing more for it and no other chunk is in flight; a further writer helps with full
 * chunks, and behind a slow append. At one event a request on 128 connections that takes a quarter off Redis' CPU time an
 * event, and a tenth off that of the whole sink.
 *
 * | writers                | the chunk that grows | leaves                                                                   |
 * | ---------------------- | -------------------- | ------------------------------------------------------------------------ |
 * | all idle               | none                 | -                                                                        |
 * | all idle               | gathers              | when a turn of the loop brings nothing more, or after `gatherMsMax`       |
 * | some busy, some idle   | waits behind them    | when it is full, when the last append ends, or after `behindMsMax`        |
 * | all busy               | waits, with the full | when a writer is idle again; refused with `holdUp` at its deadline        |
 *
 * `stop` changes none of this: it refuses new submissions and waits for the first line of the table.
 */
export class GroupCommit implements EventAppender {
  readonly #builder = new ChunkBuilder();
  readonly #writers: readonly LaneWriter[];
  readonly #idle: LaneWriter[];
  /** What holds up each writer's chunk, or held up its last one. */
  readonly #holdUps = new Map<LaneWriter, HoldUp>();
  readonly #clock: GroupCommitClock;
  readonly #settings: GroupCommitSettings;
  readonly #crash: (error: unknown) => void;
  #partition = '';
  #span: PartitionSpan = { startMs: 0, endMs: 0 };
  #life: Life = { kind: 'taking' };
  /** Whether a callback of `soon` is due: the chunk that grows gathers. */
  #gathering = false;
  /** Cancels the callback for the chunk that waits behind an append; null: none is due. */
  #behind: (() => void) | null = null;
  /** The callback for the earliest deadline among chunks that wait; null: none is due. */
  #expiry: { readonly atMs: number; readonly cancel: () => void } | null = null;

  /** @param crash receives a broken invariant; the chunk it happened to is in doubt */
  constructor(
    writers: readonly LaneWriter[],
    clock: GroupCommitClock,
    settings: GroupCommitSettings,
    crash: (error: unknown) => void,
  ) {
    this.#writers = writers;
    this.#idle = [...writers];
    this.#clock = clock;
    this.#settings = settings;
    this.#crash = crash;
  }

  submit(
    parts: readonly Part[],
    settle: Settle,
    heldMs: number,
    isGone = neverGone,
    span: SpanIdentity | null = null,
  ): void {
    if (this.#life.kind === 'stopping') return settle('stopping');
    const acceptedAtMs = this.#clock.wallMs();
    const leftMs = Math.max(this.#settings.holdMaxMs - heldMs, this.#settings.appendMsMin);
    const deadlineMs = this.#clock.monotonicMs() + leftMs;
    const times = { partition: this.#partitionNow(acceptedAtMs), acceptedAtMs, deadlineMs };
    this.#builder.add(linesOfPlain(parts), settle, times, isGone, span);
    this.#gatherSoon();
    this.#expireLater();
  }

  /** Takes no more submissions, waits until all of them have settled, and removes the writers from Redis. */
  stop(): Promise<void> {
    if (this.#life.kind === 'stopping') return this.#life.ended;
    const { promise, resolve: drained } = Promise.withResolvers<undefined>();
    const ended = promise.then(() => this.#end());
    this.#life = { kind: 'stopping', drained: () => drained(undefined), ended };
    this.#noteDrained();
    return ended;
  }

  async #end(): Promise<void> {
    this.#expiry?.cancel();
    this.#behind?.();
    await Promise.all(this.#writers.map((writer) => writer.close()));
  }

  #noteDrained(): void {
    const drained = this.#idle.length === this.#writers.length && this.#builder.deadlineMs === null;
    if (drained && this.#life.kind === 'stopping') this.#life.drained();
  }

  /** The clock may be set back: a partition is entered again then, and no chunk ever mixes two. */
  #partitionNow(nowMs: number): string {
    if (nowMs < this.#span.startMs || nowMs >= this.#span.endMs) {
      this.#partition = partitionAt(nowMs, this.#settings.timeInterval);
      this.#span = partitionSpan(this.#partition) ?? { startMs: nowMs, endMs: nowMs };
    }
    return this.#partition;
  }

  #gatherSoon(): void {
    if (this.#gathering || this.#idle.length === 0) return;
    this.#gathering = true;
    this.#gather(this.#clock.monotonicMs());
  }

  /** Lets turns of the loop pass while they bring more for a chunk that could leave at once. */
  #gather(sinceMs: number): void {
    const { growingEvents } = this.#builder;
    this.#clock.soon(() => {
      const grows = this.#builder.growingEvents > growingEvents && this.#idle.length === this.#writers.length;
      if (grows && this.#clock.monotonicMs() - sinceMs < this.#settings.gatherMsMax) return this.#gather(sinceMs);
      this.#gathering = false;
      this.#hand();
    });
  }

  /** Hands chunks to idle writers: the one that grows only if no other is in flight, or if it `overtakes` one. */
  #hand(overtakes = false): void {
    while (this.#idle.length > 0) {
      const alone = this.#idle.length === this.#writers.length;
      const chunk = alone || overtakes ? this.#builder.take() : this.#builder.takeFull();
      if (!chunk) break;
      const writer = this.#idle.pop();
      if (writer) void this.#store(writer, chunk);
    }
    this.#overtakeLater();
    this.#noteDrained();
  }

  /** A chunk that waits behind an append, while another writer is idle, overtakes it after a moment. */
  #overtakeLater(): void {
    if (this.#behind !== null || this.#idle.length === 0 || this.#builder.growingEvents === 0) return;
    this.#behind = this.#clock.after(this.#settings.behindMsMax, () => {
      this.#behind = null;
      this.#hand(true);
    });
  }

  async #store(writer: LaneWriter, chunk: PendingChunk): Promise<void> {
    // next: lane-writer.ts, whose outcome settles every request of the chunk
    const { outcome, idle } = writer.store(chunk, (reason) => this.#holdUps.set(writer, reason));
    outcome.then((settled) => this.#settle(chunk, settled)).catch(this.#crash);
    try {
      await idle;
    } catch (error) {
      this.#crash(error);
    } finally {
      this.#idle.push(writer);
      this.#hand();
    }
  }

  /** A chunk lets the next one of its request go when it is stored, and takes it along when it is not. */
  #settle(chunk: PendingChunk, outcome: AppendOutcome): void {
    if (outcome === 'stored') this.#builder.stored(chunk);
    else for (const next of this.#builder.takeContinuing(chunk)) settleAll(next, outcome);
    settleAll(chunk, outcome);
  }

  /** What holds up the chunks that no writer has taken yet. */
  #holdUp(): HoldUp {
    const holdUps = [...this.#holdUps.values()];
    if (holdUps.includes('backlog_full')) return 'backlog_full';
    return holdUps.includes('redis_away') ? 'redis_away' : 'overloaded';
  }

  /** Refuses chunks that wait for a writer at their deadline. */
  #expireLater(): void {
    const deadlineMs = this.#builder.deadlineMs;
    if (deadlineMs === null || (this.#expiry !== null && this.#expiry.atMs <= deadlineMs)) return;
    this.#expiry?.cancel();
    const cancel = this.#clock.after(Math.max(1, deadlineMs - this.#clock.monotonicMs()), () => {
      this.#expiry = null;
      for (const chunk of this.#builder.takeDue(this.#clock.monotonicMs())) settleAll(chunk, this.#holdUp());
      this.#expireLater();
      this.#noteDrained();
    });
    this.#expiry = { atMs: deadlineMs, cancel };
  }
}

/** Settles all submissions of a chunk in one loop, without a promise for each. */
function settleAll(chunk: PendingChunk, outcome: AppendOutcome): void {
  for (const { settle } of chunk.waiting.splice(0)) settle(outcome);
}

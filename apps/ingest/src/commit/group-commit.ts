import { partitionAt, partitionSpan, type PartitionSpan, type TimeInterval } from '@sink/domain';
import type { SpanIdentity } from '@sink/tracing';
import { type AppendOutcome, type EventAppender, neverGone, type Part, type Settle } from './appender.ts';
import { ChunkBuilder, type PendingAppend } from './chunk-builder.ts';
import type { HoldUp, LaneWriter } from './lane-writer.ts';

export interface GroupCommitClock {
  wallMs(): number;
  monotonicMs(): number;
  /** Calls back once, soon, after the events that are ready now: one append a turn of the loop, not one a request. */
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
  /** How long an append gathers at most while every turn of the event loop brings more for it. */
  readonly gatherMsMax: number;
  /** How long an append that is not full waits for one in flight, before another writer takes it. */
  readonly behindMsMax: number;
}

/** Whether submissions are taken. `drained` resolves when all of them have settled. */
type Life =
  | { readonly kind: 'taking' }
  | { readonly kind: 'stopping'; readonly drained: () => void; readonly ended: Promise<void> };

/**
 * Group commit: submissions that arrive together share one append and one fsync, with a chunk for each of their destinations. Each of
 * `writers` has one append in flight; submissions that arrive meanwhile form the next one. The caller bounds submissions (Admission).
 *
 * An append costs Redis, batcher and ingest much the same for five events as for fifty. So an append leaves when it is full, or
 * when a turn of the loop brought nothing more for it and no other is in flight; a further writer helps with full ones, and
 * behind a slow one. At one event a request on 128 connections that takes a quarter off Redis' CPU time an
 * event, and a tenth off that of the whole sink.
 *
 * | writers                | the one that grows   | leaves                                                                   |
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
  /** What holds up each writer's append, or held up its last one. */
  readonly #holdUps = new Map<LaneWriter, HoldUp>();
  readonly #clock: GroupCommitClock;
  readonly #settings: GroupCommitSettings;
  readonly #crash: (error: unknown) => void;
  #slot = '';
  #span: PartitionSpan = { startMs: 0, endMs: 0 };
  #life: Life = { kind: 'taking' };
  /** Whether a callback of `soon` is due: the append that grows gathers. */
  #gathering = false;
  /** Cancels the callback for the append that waits behind another; null: none is due. */
  #behind: (() => void) | null = null;
  /** The callback for the earliest deadline among appends that wait; null: none is due. */
  #expiry: { readonly atMs: number; readonly cancel: () => void } | null = null;

  /** @param crash receives a broken invariant; the append it happened to is in doubt */
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
    const times = { slot: this.#slotNow(acceptedAtMs), acceptedAtMs, deadlineMs };
    this.#builder.add(parts, settle, times, isGone, span);
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

  /** The clock may be set back: a slot is entered again then, and no chunk ever mixes two. */
  #slotNow(nowMs: number): string {
    if (nowMs < this.#span.startMs || nowMs >= this.#span.endMs) {
      this.#slot = partitionAt(nowMs, this.#settings.timeInterval);
      this.#span = partitionSpan(this.#slot) ?? { startMs: nowMs, endMs: nowMs };
    }
    return this.#slot;
  }

  #gatherSoon(): void {
    if (this.#gathering || this.#idle.length === 0) return;
    this.#gathering = true;
    this.#gather(this.#clock.monotonicMs());
  }

  /** Lets turns of the loop pass while they bring more for an append that could leave at once. */
  #gather(sinceMs: number): void {
    const { growingEvents } = this.#builder;
    this.#clock.soon(() => {
      const grows = this.#builder.growingEvents > growingEvents && this.#idle.length === this.#writers.length;
      if (grows && this.#clock.monotonicMs() - sinceMs < this.#settings.gatherMsMax) return this.#gather(sinceMs);
      this.#gathering = false;
      this.#hand();
    });
  }

  /** Hands appends to idle writers: the one that grows only if no other is in flight, or if it `overtakes` one. */
  #hand(overtakes = false): void {
    while (this.#idle.length > 0) {
      const alone = this.#idle.length === this.#writers.length;
      const append = alone || overtakes ? this.#builder.take() : this.#builder.takeFull();
      if (!append) break;
      const writer = this.#idle.pop();
      if (writer) void this.#store(writer, append);
    }
    this.#overtakeLater();
    this.#noteDrained();
  }

  /** An append that waits behind another, while a writer is idle, overtakes it after a moment. */
  #overtakeLater(): void {
    if (this.#behind !== null || this.#idle.length === 0 || this.#builder.growingEvents === 0) return;
    this.#behind = this.#clock.after(this.#settings.behindMsMax, () => {
      this.#behind = null;
      this.#hand(true);
    });
  }

  async #store(writer: LaneWriter, append: PendingAppend): Promise<void> {
    // next: lane-writer.ts, whose outcome settles every request of the append
    const { outcome, idle } = writer.store(append, (reason) => this.#holdUps.set(writer, reason));
    outcome.then((settled) => this.#settle(append, settled)).catch(this.#crash);
    try {
      await idle;
    } catch (error) {
      this.#crash(error);
    } finally {
      this.#idle.push(writer);
      this.#hand();
    }
  }

  /** An append lets the next one of its request go when it is stored, and takes it along when it is not. */
  #settle(append: PendingAppend, outcome: AppendOutcome): void {
    if (outcome === 'stored') this.#builder.stored(append);
    else for (const next of this.#builder.takeContinuing(append)) settleAll(next, outcome);
    settleAll(append, outcome);
  }

  /** What holds up the appends that no writer has taken yet. */
  #holdUp(): HoldUp {
    const holdUps = [...this.#holdUps.values()];
    if (holdUps.includes('backlog_full')) return 'backlog_full';
    return holdUps.includes('redis_away') ? 'redis_away' : 'overloaded';
  }

  /** Refuses appends that wait for a writer at their deadline. */
  #expireLater(): void {
    const deadlineMs = this.#builder.deadlineMs;
    if (deadlineMs === null || (this.#expiry !== null && this.#expiry.atMs <= deadlineMs)) return;
    this.#expiry?.cancel();
    const cancel = this.#clock.after(Math.max(1, deadlineMs - this.#clock.monotonicMs()), () => {
      this.#expiry = null;
      for (const append of this.#builder.takeDue(this.#clock.monotonicMs())) settleAll(append, this.#holdUp());
      this.#expireLater();
      this.#noteDrained();
    });
    this.#expiry = { atMs: deadlineMs, cancel };
  }
}

/** Settles all submissions of an append in one loop, without a promise for each. */
function settleAll(append: PendingAppend, outcome: AppendOutcome): void {
  for (const { settle } of append.waiting.splice(0)) settle(outcome);
}

import {
  type AppendEntry,
  type AppendOnceAnswer,
  assertReached,
  type DedupeWindow,
  type DurabilityBarrier,
  type IngestLane,
  type Marks,
  RedisFailure,
  RedisRefused,
} from '@sink/lane';
import { assertNever } from '@sink/domain';
import type { TraceFields, Tracing } from '@sink/tracing';
import { AppendSpan, chunkOrigins } from './append-span.ts';
import type { AppendOutcome } from './appender.ts';
import { Bodies } from './bodies.ts';
import { leaveOutGone, type PendingAppend, type PendingEntry } from './chunk-builder.ts';

export interface WriterClock {
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
  /** Calls back once after `ms`; the returned function cancels that. */
  after(ms: number, callback: () => void): () => void;
}

export interface WriterPorts {
  readonly clock: WriterClock;
  /** A random uid for a lane that has none yet. */
  readonly newUid: () => string;
  /** What identifies the event in a line, in FINGERPRINT_BYTES bytes. */
  readonly fingerprint: (line: string) => Buffer;
  /** Counts the events of an append that had been stored before. */
  readonly duplicates: (events: number) => void;
  /** Reports the failure of a try, at every try, and which trace it belongs to. */
  readonly failed: (problem: RedisFailure, trace: TraceFields) => void;
  /** Whether the disk of Redis has room for new events. Absent: it is not known. */
  readonly hasDiskRoom?: (() => boolean) | undefined;
  /** Whether this process is held up, for want of CPU time. Absent: it is not known. */
  readonly isLate?: () => boolean;
  /** Null or absent: nothing is traced. */
  readonly tracing?: Tracing | null;
}

export interface WriterSettings {
  readonly barrier: DurabilityBarrier;
  /** Bytes that the lane may keep in Redis. */
  readonly backlogBytesMax: number;
  /** The wait before another try while Redis is away or has no room, in milliseconds. */
  readonly retryWaitMs: number;
  /** Drops events that were stored before; null: stores all. */
  readonly dedupe: DedupeWindow | null;
}

/** Why an append that surely is not stored has to wait. */
export type HoldUp = 'redis_away' | 'backlog_full' | 'overloaded';

/** What is sent, the same at each try. */
interface Content {
  readonly entries: readonly AppendEntry[];
  readonly bodies: readonly (string | Buffer)[];
}

/** An append that a writer stores. */
export interface Storing {
  /** Resolves at the append's deadline at the latest, even if Redis does not answer at all. Never rejects. */
  readonly outcome: Promise<AppendOutcome>;
  /** Resolves when the writer can store the next append: with the outcome, or later. Rejects if an invariant is broken. */
  readonly idle: Promise<void>;
}

/**
 * One writer of a lane: one append in flight, on a connection of its own. A sequence number belongs to one append for ever:
 * after doubt the writer sends the same entries again under the same number, and no other writer ever sends it.
 *
 * The deadline may come at any moment while an append is being stored. Its outcome is then:
 *
 * | outcome        | when                                                                                            |
 * | -------------- | ----------------------------------------------------------------------------------------------- |
 * | `redis_away`   | it was not executed, and will not be: Redis does not answer, or refuses                         |
 * | `backlog_full` | the same, because the backlog is full or Redis is at maxmemory                                  |
 * | `overloaded`   | the same, because there was no time for it, though Redis answered the last append                |
 * | `in_doubt`     | it is in flight or lost its answer, or what it stored is not yet as durable as asked for        |
 *
 * Without a deadline it ends as `stored`, as `gone` if the clients of all its events have left before the first append, or as `in_doubt` if the lane has forgotten this writer meanwhile.
 */
export class LaneWriter {
  readonly #lane: IngestLane;
  readonly #ports: WriterPorts;
  readonly #settings: WriterSettings;
  #writer: string | null = null;
  /** The last id, if Redis did not know it. */
  #unknown: string | null = null;
  /** Whether a master that took over knew that id, so that it may have stored a late copy of the append. */
  #wasKnownLater = false;
  #sequence = 0;
  /** Of the append that is being stored: it may have been executed, or may be executed yet. */
  #inDoubt = false;
  /** Null: not known yet. */
  #heldBy: HoldUp | null = null;
  /** Of the append that is being stored; null: none of its requests is sampled. */
  #span: AppendSpan | null = null;
  readonly #bodies = new Bodies();

  constructor(lane: IngestLane, ports: WriterPorts, settings: WriterSettings) {
    this.#lane = lane;
    this.#ports = ports;
    this.#settings = settings;
  }

  /**
   * Stores an append, and tries until its deadline. Call it when the writer is idle.
   *
   * @param heldUp receives what holds the append up, whenever that changes
   */
  store(append: PendingAppend, heldUp: (reason: HoldUp) => void): Storing {
    const { clock, tracing } = this.#ports;
    this.#inDoubt = false;
    const at = { stream: this.#lane.keys.chunks, lane: this.#lane.number };
    const span = tracing ? AppendSpan.start(tracing, append, at, clock.monotonicMs()) : null;
    this.#span = span;
    const { promise: outcome, resolve: settle } = Promise.withResolvers<AppendOutcome>();
    const cancel = clock.after(Math.max(0, append.deadlineMs - clock.monotonicMs()), () => {
      heldUp(this.#inDoubt || this.#heldBy === null ? this.#holdUpWithoutAnswer() : this.#heldBy);
      settle(this.#outcomeNow());
    });
    const storeAndSettle = async (): Promise<void> => {
      try {
        const ended = await this.#store(append, heldUp);
        span?.end(ended);
        settle(ended);
      } catch (error) {
        span?.end('in_doubt');
        settle('in_doubt');
        throw error;
      } finally {
        cancel();
      }
    };
    return { outcome, idle: storeAndSettle() };
  }

  async #store(append: PendingAppend, heldUp: (reason: HoldUp) => void): Promise<AppendOutcome> {
    const { clock, duplicates: countDuplicates, failed, hasDiskRoom = () => true } = this.#ports;
    const { retryWaitMs, barrier } = this.#settings;
    let content: Content | null = null;
    const holdUp = (reason: HoldUp): void => {
      this.#heldBy = reason;
      heldUp(reason);
    };
    let numbered = false;
    let tries = 0;
    // A try at the last moment would only turn a clear refusal into doubt.
    while (append.deadlineMs - clock.monotonicMs() > retryWaitMs) {
      if (!hasDiskRoom()) {
        holdUp('backlog_full');
        await clock.sleep(retryWaitMs);
        continue;
      }
      try {
        if (this.#writer === null) {
          this.#writer = await this.#register();
          if (this.#inDoubt && this.#wasKnownLater) return 'in_doubt'; // rule: writer.forgotten
          this.#inDoubt = false;
          numbered = false;
          continue; // The deadline may have come meanwhile.
        }
        if (!numbered) {
          // It is not on its way, and was not executed: its content may change.
          if (leaveOutGone(append)) content = null;
          if (append.events === 0) return 'gone';
          this.#sequence += 1;
        }
        numbered = true; // rule: writer.same-sequence
        content ??= this.#contentOf(append);
        tries += 1;
        const { answer, duplicates } = await this.#append(this.#writer, append, content);
        switch (answer) {
          case 'stored':
            // Answered at the first try: no copy of the bodies is on its way any more.
            if (tries === 1) this.#bodies.reuse(content.bodies);
            holdUp('overloaded');
            assertReached(await this.#lane.reached(barrier), 'appending chunks'); // rule: writer.barrier
            countDuplicates(duplicates);
            return 'stored';
          case 'full':
            // The lane remembers this answer under this number: the append is offered again under the next one.
            holdUp('backlog_full');
            numbered = false;
            break;
          case 'stale':
            this.#writer = null;
            return 'in_doubt';
          case 'unknown_writer':
            this.#unknown = this.#writer;
            this.#writer = null;
            if (this.#outcomeNow() === 'in_doubt') return 'in_doubt'; // rule: writer.no-other-id
            // Only as long as a master that takes over may know it and store a late copy.
            this.#inDoubt = true;
            this.#wasKnownLater = false;
            continue;
          default:
            assertNever(answer);
        }
      } catch (error) {
        if (!(error instanceof RedisFailure)) throw error;
        holdUp(this.#holdUpBy(error));
        failed(error, this.#span?.fields ?? {});
      }
      await clock.sleep(retryWaitMs);
    }
    return this.#outcomeNow();
  }

  /** Removes the writer from Redis. Call it when the writer is idle. If that fails, a batcher retires its entry later. */
  async close(): Promise<void> {
    if (this.#writer === null) return;
    await this.#lane.forgetWriter(this.#writer).catch(() => undefined);
    this.#writer = null;
  }

  /** The outcome of the append if its deadline is now. */
  #outcomeNow(): AppendOutcome {
    if (!this.#inDoubt) return this.#heldBy ?? this.#holdUpWithoutAnswer();
    return 'in_doubt'; // rule: writer.doubt
  }

  #holdUpBy(error: RedisFailure): HoldUp {
    if (!(error instanceof RedisRefused)) return this.#holdUpWithoutAnswer();
    return error.code === 'OOM' ? 'backlog_full' : 'redis_away';
  }

  /** A process that is held up itself does not see answers in time. */
  #holdUpWithoutAnswer(): HoldUp {
    return this.#ports.isLate?.() === true ? 'overloaded' : 'redis_away';
  }

  #contentOf(append: PendingAppend): Content {
    const bodies = this.#bodies.of(append);
    const entries = append.entries.map((entry, index): AppendEntry => ({
      route: entry.route,
      path: entry.path,
      count: entry.lines.length,
      body: bodies[index] ?? '',
      bytes: entry.bytes,
      origins: this.#span === null ? undefined : chunkOrigins(entry),
      marks: this.#marksOf(entry),
    }));
    return { entries, bodies };
  }

  #marksOf({ dedupe, lines }: PendingEntry): Marks | undefined {
    if (this.#settings.dedupe === null) return undefined; // rule: dedupe.every-writer
    if (!dedupe) return undefined; // rule: dedupe.asked
    return {
      fingerprints: Buffer.concat(lines.map(this.#ports.fingerprint)),
      lineBytes: lines.map((line) => Buffer.byteLength(line) + 1),
    };
  }

  /**
   * A late copy of an append that found its writer unknown must be refused also by a replica that takes over. The replica may
   * still know that writer, so it is forgotten before the barrier. If a master knew it, here or behind the barrier, that master
   * took over meanwhile.
   */
  async #register(): Promise<string> {
    await this.#lane.open(this.#ports.newUid()); // a Redis that started empty has no lane
    this.#sequence = 0;
    await this.#forgetUnknown();
    const writer = await this.#lane.registerWriter(this.#ports.newUid());
    assertReached(await this.#lane.reached(this.#settings.barrier), 'registering a writer'); // rule: writer.registered
    await this.#forgetUnknown();
    this.#unknown = null;
    return writer;
  }

  async #forgetUnknown(): Promise<void> {
    if (this.#unknown === null) return;
    const knownBefore = this.#wasKnownLater;
    this.#wasKnownLater = true; // without an answer
    this.#wasKnownLater = (await this.#lane.forgetWriter(this.#unknown)) || knownBefore;
  }

  /** One try. The append is in doubt while it has no answer, and after it failed without one. */
  async #append(writer: string, append: PendingAppend, { entries }: Content): Promise<AppendOnceAnswer> {
    const before = this.#inDoubt;
    this.#inDoubt = true;
    const { dedupe, backlogBytesMax } = this.#settings;
    const { furtherBytes, furtherChunks, acceptedAtMs } = append;
    const sequence = this.#sequence;
    const request = { writer, sequence, entries, furtherBytes, furtherChunks, acceptedAtMs, backlogBytesMax };
    try {
      const appended =
        dedupe === null
          ? { answer: await this.#lane.append(request), duplicates: 0 }
          : await this.#lane.appendOnce(request, dedupe);
      const { answer } = appended;
      // `stored` is in doubt until it is as durable as asked for. `full` is certain, for all copies under this number.
      this.#inDoubt = answer === 'stored' || (answer !== 'full' && before);
      return appended;
    } catch (error) {
      if (error instanceof RedisRefused) this.#inDoubt = before;
      throw error;
    }
  }
}

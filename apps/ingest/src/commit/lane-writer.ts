import {
  type AppendOnceAnswer,
  assertReached,
  type Dedupe,
  type DurabilityBarrier,
  type IngestLane,
  RedisFailure,
  RedisRefused,
} from '@sink/lane';
import { assertNever, CHUNK_BYTES_MAX } from '@sink/domain';
import type { AppendOutcome } from './appender.ts';
import type { PendingChunk } from './chunk-builder.ts';

const LF = 0x0a;
/** V8 keeps strings from about this size on apart, as large objects. */
const LARGE_BODY_BYTES = 128 * 1024;

export interface WriterClock {
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
}

export interface WriterDedupe extends Pick<Dedupe, 'windowMs' | 'fingerprintsMax'> {
  /** What makes the event in a line the same event, in FINGERPRINT_BYTES bytes. */
  readonly fingerprint: (line: string) => Buffer;
  /** Told how many events of a chunk were stored before. */
  readonly onDuplicates: (events: number) => void;
}

export interface WriterOptions {
  readonly durability: DurabilityBarrier;
  readonly backlogBytesMax: number;
  /** The wait before another try, in milliseconds, while Redis is away or has no room. */
  readonly retryWaitMs: number;
  /** A random uid for a lane that has none yet. */
  readonly newUid: () => string;
  /** Drop what was stored before; null: store all. */
  readonly dedupe: WriterDedupe | null;
  /** Told why a try failed: what an operator has to see. Called at every try. */
  readonly onProblem?: (problem: RedisFailure) => void;
}

/**
 * One writer of a lane: one append in flight, on a connection of its own. A sequence number belongs to one chunk for ever;
 * after doubt the same chunk is sent again under the same number, and never under another writer's.
 */
export class LaneWriter {
  readonly #lane: IngestLane;
  readonly #clock: WriterClock;
  readonly #options: WriterOptions;
  #writer: string | null = null;
  #sequence = 0;
  /** Of the chunk that is being stored: an append of it may have been, or may yet be, executed. */
  #inDoubt = false;
  #heldBy: 'redis_away' | 'backlog_full' = 'redis_away';
  /** What the body of the next large chunk is written into. */
  #spare: Buffer | null = null;

  constructor(lane: IngestLane, clock: WriterClock, options: WriterOptions) {
    this.#lane = lane;
    this.#clock = clock;
    this.#options = options;
  }

  /** What is to be said to those who wait for the chunk that is being stored, if they are told now. */
  get outcomeNow(): AppendOutcome {
    if (!this.#inDoubt) return this.#heldBy;
    return 'in_doubt'; // rule: writer.doubt
  }

  /** What holds up the chunk that is being stored; before its first answer, what held up the one before. */
  get heldBy(): 'redis_away' | 'backlog_full' {
    return this.#heldBy;
  }

  /** Stores a chunk and tells how that ended; tries until the chunk's deadline. `stored` means durable as asked for. */
  async store(chunk: PendingChunk): Promise<AppendOutcome> {
    this.#inDoubt = false;
    const content = { body: this.#bodyOf(chunk), dedupe: this.#dedupe(chunk) };
    let numbered = false;
    let tries = 0;
    // A try in the last moment would only turn a clear refusal into doubt.
    while (chunk.deadlineMs - this.#clock.monotonicMs() > this.#options.retryWaitMs) {
      try {
        if (this.#writer === null) {
          this.#writer = await this.#register();
          numbered = false;
        }
        if (!numbered) this.#sequence += 1;
        numbered = true; // rule: writer.same-sequence
        tries += 1;
        const { answer, duplicates } = await this.#append(this.#writer, chunk, content);
        switch (answer) {
          case 'stored':
            // Answered at the first try: no copy of the body is on its way any more.
            if (tries === 1) this.#reuse(content.body);
            this.#heldBy = 'redis_away';
            assertReached(await this.#lane.reached(this.#options.durability), 'appending a chunk');
            this.#options.dedupe?.onDuplicates(duplicates);
            return 'stored';
          case 'full':
            // Remembered under this number: the chunk may be offered again, under the next one.
            this.#heldBy = 'backlog_full';
            numbered = false;
            break;
          case 'stale':
            this.#writer = null;
            return 'in_doubt';
          case 'unknown_writer':
            this.#writer = null;
            if (this.outcomeNow === 'in_doubt') return 'in_doubt'; // rule: writer.no-other-id
            continue;
          default:
            assertNever(answer);
        }
      } catch (error) {
        if (!(error instanceof RedisFailure)) throw error;
        this.#heldBy = error instanceof RedisRefused && error.code === 'OOM' ? 'backlog_full' : 'redis_away';
        this.#options.onProblem?.(error);
      }
      await this.#clock.sleep(this.#options.retryWaitMs);
    }
    return this.outcomeNow;
  }

  /** Forgets the writer in Redis; to be called when nothing is in flight. A failure only leaves its entry to be retired. */
  async close(): Promise<void> {
    if (this.#writer === null) return;
    await this.#lane.forgetWriter(this.#writer).catch(() => undefined);
    this.#writer = null;
  }

  #dedupe({ lines }: PendingChunk): Dedupe | null {
    const { dedupe } = this.#options;
    if (dedupe === null) return null; // rule: dedupe.every-writer
    const { windowMs, fingerprintsMax, fingerprint } = dedupe;
    return {
      fingerprints: Buffer.concat(lines.map(fingerprint)),
      lineBytes: lines.map((line) => Buffer.byteLength(line) + 1),
      windowMs,
      fingerprintsMax,
    };
  }

  async #register(): Promise<string> {
    await this.#lane.open(this.#options.newUid()); // a Redis that started empty has no lane
    this.#sequence = 0;
    return this.#lane.registerWriter();
  }

  /** One append; while it is without an answer, and after one that left it open, the chunk is in doubt. */
  async #append(
    writer: string,
    chunk: PendingChunk,
    { body, dedupe }: { body: string | Buffer; dedupe: Dedupe | null },
  ): Promise<AppendOnceAnswer> {
    const before = this.#inDoubt;
    this.#inDoubt = true;
    const request = {
      writer,
      sequence: this.#sequence,
      partition: chunk.partition,
      count: chunk.lines.length,
      body,
      bytes: chunk.bytes,
      furtherBytes: chunk.furtherBytes,
      acceptedAtMs: chunk.acceptedAtMs,
      backlogBytesMax: this.#options.backlogBytesMax,
    };
    try {
      const appended =
        dedupe === null
          ? { answer: await this.#lane.append(request), duplicates: 0 }
          : await this.#lane.appendOnce(request, dedupe);
      const { answer } = appended;
      // Stored is in doubt until it is as durable as asked for; full is certain, for this number and all copies under it.
      this.#inDoubt = answer === 'stored' || (answer !== 'full' && before);
      return appended;
    } catch (error) {
      if (error instanceof RedisRefused) this.#inDoubt = before;
      throw error;
    }
  }

  /**
   * The chunk's NDJSON. A large one is written straight into its bytes: as a string it would be copied twice more on its way
   * to the socket, in pieces that V8's heap keeps for long. With batches of 100 that is 7 % of ingest's CPU time, and 20 MiB.
   * A small one is faster as a string, by 3 %.
   */
  #bodyOf({ lines, bytes }: PendingChunk): string | Buffer {
    if (bytes < LARGE_BODY_BYTES) return `${lines.join('\n')}\n`;
    const body = this.#room(bytes).subarray(0, bytes);
    let at = 0;
    for (const line of lines) {
      at += body.write(line, at);
      at = body.writeUInt8(LF, at);
    }
    return body;
  }

  /**
   * The same memory for one large chunk after the other: new memory for each is touched page by page, and makes V8 look for
   * garbage. With batches of 100 that is a fifth of ingest's CPU time, and 40 MB.
   */
  #room(bytes: number): Buffer {
    if (bytes > CHUNK_BYTES_MAX) return Buffer.allocUnsafeSlow(bytes);
    const room = this.#spare ?? Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
    this.#spare = null;
    return room;
  }

  #reuse(body: string | Buffer): void {
    if (typeof body !== 'string' && body.buffer.byteLength === CHUNK_BYTES_MAX) this.#spare = Buffer.from(body.buffer);
  }
}

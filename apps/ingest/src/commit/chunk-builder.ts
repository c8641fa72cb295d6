import { CHUNK_BYTES_MAX, CHUNK_EVENTS_MAX } from '@sink/domain';
import { type Settle, settleTogether } from './appender.ts';

/**
 * How far apart the deadlines in one chunk may be, in milliseconds. All of its submissions are refused at the earliest of
 * them, so no submission waits shorter than its own hold by more than this.
 */
const DEADLINE_SPREAD_MS_MAX = 100;

/** A chunk on its way to the lane, with the submissions that wait for it. */
export interface PendingChunk {
  readonly partition: string;
  /** NDJSON lines without their LF. */
  readonly lines: string[];
  readonly waiting: Settle[];
  /** Bytes of the body, with each line's LF. */
  bytes: number;
  /** Bytes of its requests in the chunks after it: the append asks for their room before the first chunk is stored. */
  furtherBytes: number;
  /** Unix time of acceptance of its first submission. */
  readonly acceptedAtMs: number;
  /** Monotonic time at which its submissions are refused. */
  deadlineMs: number;
}

/**
 * Gathers submissions into chunks of one partition: submissions that arrive while the last chunk is on its way form the
 * next one (group commit). A line that is larger than a chunk may be is a chunk of its own.
 */
export class ChunkBuilder {
  #full: PendingChunk[] = [];
  #last: PendingChunk | null = null;

  add(
    lines: readonly string[],
    settle: Settle,
    times: { partition: string; acceptedAtMs: number; deadlineMs: number },
  ): void {
    const parts: PendingChunk[] = [];
    const partBytes: number[] = [];
    for (const line of lines) {
      const bytes = Buffer.byteLength(line) + 1;
      const chunk = this.#chunkFor(times, bytes);
      if (parts.at(-1) !== chunk) {
        parts.push(chunk);
        partBytes.push(0);
      }
      chunk.lines.push(line);
      chunk.bytes += bytes;
      partBytes[partBytes.length - 1] = (partBytes.at(-1) ?? 0) + bytes;
    }
    const [first] = parts;
    if (!first) return settle('stored');
    first.furtherBytes += partBytes.slice(1).reduce((sum, bytes) => sum + bytes, 0);
    const settlePart = parts.length === 1 ? settle : settleTogether(parts.length, settle);
    for (const part of parts) part.waiting.push(settlePart);
  }

  /** Takes the oldest chunk, full or not. Nothing is added to it any more. */
  take(): PendingChunk | null {
    const full = this.takeFull();
    if (full) return full;
    const last = this.#last;
    this.#last = null;
    return last;
  }

  /** Takes the oldest chunk to which nothing can be added. */
  takeFull(): PendingChunk | null {
    return this.#full.shift() ?? null;
  }

  /** Events in the chunk to which the next submission is added. */
  get growingEvents(): number {
    return this.#last?.lines.length ?? 0;
  }

  /** The earliest deadline of all chunks; `null` without chunks. */
  get deadlineMs(): number | null {
    let earliestMs = this.#last?.deadlineMs ?? null;
    for (const { deadlineMs } of this.#full)
      if (earliestMs === null || deadlineMs < earliestMs) earliestMs = deadlineMs;
    return earliestMs;
  }

  /** Takes all chunks whose deadline is over. They may be behind others: a request that has waited before has less time. */
  takeDue(nowMs: number): PendingChunk[] {
    const due = this.#full.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.#full = this.#full.filter(({ deadlineMs }) => deadlineMs > nowMs);
    if (this.#last !== null && this.#last.deadlineMs <= nowMs) {
      due.push(this.#last);
      this.#last = null;
    }
    return due;
  }

  #chunkFor(times: { partition: string; acceptedAtMs: number; deadlineMs: number }, bytes: number): PendingChunk {
    const last = this.#last;
    const fits =
      last?.partition === times.partition &&
      Math.abs(times.deadlineMs - last.deadlineMs) <= DEADLINE_SPREAD_MS_MAX &&
      last.lines.length < CHUNK_EVENTS_MAX &&
      last.bytes + bytes <= CHUNK_BYTES_MAX;
    if (fits) {
      last.deadlineMs = Math.min(last.deadlineMs, times.deadlineMs);
      return last;
    }
    if (last) this.#full.push(last);
    this.#last = { ...times, lines: [], waiting: [], bytes: 0, furtherBytes: 0 };
    return this.#last;
  }
}

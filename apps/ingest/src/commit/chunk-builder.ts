import { CHUNK_BYTES_MAX, CHUNK_EVENTS_MAX } from '@sink/domain';
import type { SpanIdentity } from '@sink/tracing';
import { type IsGone, neverGone, type Settle, settleTogether } from './appender.ts';

/**
 * How far apart the deadlines in one chunk may be, in milliseconds. All of its submissions are refused at the earliest of
 * them, so no submission waits shorter than its own hold by more than this.
 */
const DEADLINE_SPREAD_MS_MAX = 100;

const MIB = 1024 * 1024;
/** A large body is written to the socket, to Redis' file and to disk: it gets this much longer for each MiB. */
const DEADLINE_MS_PER_MIB = 100;

/** A submission, or its part in one chunk, that waits. */
export interface Waiting {
  readonly settle: Settle;
  readonly isGone: IsGone;
  /** Of its request; null: it is not sampled. */
  readonly span: SpanIdentity | null;
  readonly events: number;
  readonly bytes: number;
}

/** A chunk on its way to the lane, with the submissions that wait for it. */
export interface PendingChunk {
  readonly partition: string;
  /** NDJSON lines without their LF. */
  readonly lines: string[];
  readonly waiting: Waiting[];
  /** Bytes of the body, with each line's LF. */
  bytes: number;
  /** Bytes of its request in the chunks after it: the append asks for their room before the first chunk is stored. */
  furtherBytes: number;
  /** Unix time of acceptance of its first submission. */
  readonly acceptedAtMs: number;
  /** Monotonic time at which its submissions are refused. */
  deadlineMs: number;
  /** The chunk with the earlier events of its request, until that is stored; null: there is none to wait for. */
  after: PendingChunk | null;
}

interface Times {
  readonly partition: string;
  readonly acceptedAtMs: number;
  readonly deadlineMs: number;
}

/**
 * Gathers submissions into chunks of one partition: submissions that arrive while the last chunk is on its way form the
 * next one (group commit). A line that is larger than a chunk may be is a chunk of its own.
 *
 * A submission that is larger than a chunk gets chunks of its own, and each of them waits for the one before: so its events
 * are in the lane in their order, and what is refused of it is its end. No other submission waits with them.
 */
export class ChunkBuilder {
  #full: PendingChunk[] = [];
  #last: PendingChunk | null = null;

  add(
    lines: readonly string[],
    settle: Settle,
    times: Times,
    isGone: IsGone = neverGone,
    span: SpanIdentity | null = null,
  ): void {
    if (lines.length === 0) return settle('stored');
    let bytes = lines.length;
    for (const line of lines) bytes += Buffer.byteLength(line);
    if (lines.length > CHUNK_EVENTS_MAX || (bytes > CHUNK_BYTES_MAX && lines.length > 1)) {
      this.#addLarge(lines, settle, withTimeFor(bytes, times), isGone, span);
      return;
    }
    const chunk = this.#chunkFor(withTimeFor(bytes, times), lines.length, bytes);
    for (const line of lines) chunk.lines.push(line);
    chunk.bytes += bytes;
    chunk.waiting.push({ settle, isGone, span, events: lines.length, bytes });
  }

  /** Takes the oldest chunk that may be stored now, full or not. Nothing is added to it any more. */
  take(): PendingChunk | null {
    const full = this.takeFull();
    if (full) return full;
    const last = this.#last;
    this.#last = null;
    return last;
  }

  /** Takes the oldest chunk that may be stored now and to which nothing can be added. */
  takeFull(): PendingChunk | null {
    const index = this.#full.findIndex((chunk) => chunk.after === null); // rule: request.in-order
    return index === -1 ? null : (this.#full.splice(index, 1)[0] ?? null);
  }

  /** The next chunk of its request may be stored now. */
  stored(chunk: PendingChunk): void {
    for (const next of this.#full) if (next.after === chunk) next.after = null;
  }

  /** Takes the chunks that continue the request of one that was not stored: they are refused with it. */
  takeContinuing(chunk: PendingChunk): PendingChunk[] {
    const refused = [chunk];
    for (const next of this.#full) if (next.after !== null && refused.includes(next.after)) refused.push(next);
    this.#full = this.#full.filter((next) => !refused.includes(next));
    return refused.slice(1);
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

  #addLarge(lines: readonly string[], settle: Settle, times: Times, isGone: IsGone, span: SpanIdentity | null): void {
    this.#closeLast();
    const chunks: PendingChunk[] = [];
    let chunk = emptyChunk(times, null);
    for (const line of lines) {
      const bytes = Buffer.byteLength(line) + 1;
      if (chunk.lines.length > 0 && !hasRoom(chunk, 1, bytes)) {
        chunks.push(chunk);
        chunk = emptyChunk(times, chunk);
      }
      chunk.lines.push(line);
      chunk.bytes += bytes;
    }
    chunks.push(chunk);
    const [first, ...further] = chunks;
    if (first) first.furtherBytes = further.reduce((sum, { bytes }) => sum + bytes, 0);
    const settlePart = settleTogether(chunks.length, settle);
    for (const part of chunks) {
      part.waiting.push({ settle: settlePart, isGone, span, events: part.lines.length, bytes: part.bytes });
    }
    this.#full.push(...chunks);
  }

  /** The chunk that grows, if a submission of this size may join it; else a new one. */
  #chunkFor(times: Times, events: number, bytes: number): PendingChunk {
    const last = this.#last;
    const fits =
      last?.partition === times.partition &&
      Math.abs(times.deadlineMs - last.deadlineMs) <= DEADLINE_SPREAD_MS_MAX &&
      hasRoom(last, events, bytes);
    if (fits) {
      last.deadlineMs = Math.min(last.deadlineMs, times.deadlineMs);
      return last;
    }
    this.#closeLast();
    this.#last = emptyChunk(times, null);
    return this.#last;
  }

  #closeLast(): void {
    if (this.#last) this.#full.push(this.#last);
    this.#last = null;
  }
}

function emptyChunk(times: Times, after: PendingChunk | null): PendingChunk {
  return { ...times, lines: [], waiting: [], bytes: 0, furtherBytes: 0, after };
}

function hasRoom(chunk: PendingChunk, events: number, bytes: number): boolean {
  return chunk.lines.length + events <= CHUNK_EVENTS_MAX && chunk.bytes + bytes <= CHUNK_BYTES_MAX;
}

function withTimeFor(bytes: number, times: Times): Times {
  if (bytes < MIB) return times;
  return { ...times, deadlineMs: times.deadlineMs + Math.floor(bytes / MIB) * DEADLINE_MS_PER_MIB };
}

/**
 * Leaves out what nobody waits for any more: the clients have left, and send it again. Returns whether there was any. Call it
 * only while no append of the chunk was sent.
 */
export function leaveOutGone(chunk: PendingChunk): boolean {
  const gone = new Set(chunk.waiting.filter(({ isGone }) => isGone()));
  if (gone.size === 0) return false;
  const lines = chunk.lines.splice(0);
  let at = 0;
  for (const part of chunk.waiting.splice(0)) {
    const next = at + part.events;
    if (gone.has(part)) {
      chunk.bytes -= part.bytes;
      part.settle('gone');
    } else {
      for (let index = at; index < next; index++) chunk.lines.push(lines[index] ?? '');
      chunk.waiting.push(part);
    }
    at = next;
  }
  return true;
}

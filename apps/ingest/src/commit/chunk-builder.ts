import { APPEND_ENTRIES_MAX, CHUNK_BYTES_MAX, CHUNK_EVENTS_MAX, type Destination, destinationKey } from '@sink/domain';
import type { SpanIdentity } from '@sink/tracing';
import { type IsGone, neverGone, type Part, type Settle, settleTogether } from './appender.ts';

/**
 * How far apart the deadlines in one append may be, in milliseconds. All of its submissions are refused at the earliest of
 * them, so no submission waits shorter than its own hold by more than this.
 */
const DEADLINE_SPREAD_MS_MAX = 100;

const MIB = 1024 * 1024;
/** A large body is written to the socket, to Redis' file and to disk: it gets this much longer for each MiB. */
const DEADLINE_MS_PER_MIB = 100;

/** A submission, or what one append has of it, that waits. */
export interface Waiting {
  settle: Settle;
  readonly isGone: IsGone;
  /** Of its request; null: it is not sampled. */
  readonly span: SpanIdentity | null;
}

/** The lines of one submission in an entry. */
interface Share {
  readonly of: Waiting;
  readonly events: number;
  readonly bytes: number;
}

/** What becomes one chunk. */
export interface PendingEntry extends Destination {
  readonly dedupe: boolean;
  /** NDJSON lines without their LF: the shares, one behind the other. */
  readonly lines: string[];
  readonly shares: Share[];
  /** Bytes of the body, with each line's LF. */
  bytes: number;
}

/** An append on its way to the lane, with the submissions that wait for it. */
export interface PendingAppend {
  /** The slot of time in which its submissions were accepted. */
  readonly slot: string;
  /** One a destination. */
  readonly entries: PendingEntry[];
  /** The entries behind the first, by what they are found by. */
  readonly byKey: Map<string, PendingEntry>;
  readonly waiting: Waiting[];
  events: number;
  bytes: number;
  /** Of its request in the appends after it, which ask for no room of their own before the first is stored. */
  furtherBytes: number;
  furtherChunks: number;
  /** Unix time of acceptance of its first submission. */
  readonly acceptedAtMs: number;
  /** Monotonic time at which its submissions are refused. */
  deadlineMs: number;
  /** The append with the earlier events of its request, until that is stored; null: there is none to wait for. */
  after: PendingAppend | null;
}

interface Times {
  readonly slot: string;
  readonly acceptedAtMs: number;
  readonly deadlineMs: number;
}

/**
 * Gathers submissions into appends: submissions that arrive while the last append is on its way form the next one (group
 * commit), whatever their destinations. With the slot of time an append ends. A line that is larger than an append may be is
 * an append of its own.
 *
 * A submission that is larger than an append gets appends of its own, and each of them waits for the one before: so its
 * events are in the lane in their order, and what is refused of it is its end. No other submission waits with them.
 */
export class ChunkBuilder {
  #full: PendingAppend[] = [];
  #last: PendingAppend | null = null;

  add(
    parts: readonly Part[],
    settle: Settle,
    times: Times,
    isGone: IsGone = neverGone,
    span: SpanIdentity | null = null,
  ): void {
    let events = 0;
    let bytes = 0;
    for (const { lines } of parts) {
      bytes += bytesOf(lines);
      events += lines.length;
    }
    if (events === 0) return settle('stored');
    const waiting = { settle, isGone, span };
    const isLarge = events > CHUNK_EVENTS_MAX || parts.length > APPEND_ENTRIES_MAX;
    if (isLarge || (bytes > CHUNK_BYTES_MAX && events > 1)) {
      this.#addLarge(parts, waiting, withTimeFor(bytes, times));
      return;
    }
    const append = this.#appendFor(withTimeFor(bytes, times), parts.length, events, bytes); // rule: request.one-append
    append.waiting.push(waiting);
    for (const part of parts) {
      addRun(append, part, part.lines, parts.length === 1 ? bytes : bytesOf(part.lines), waiting);
    }
  }

  /** Takes the oldest append that may be stored now, full or not. Nothing is added to it any more. */
  take(): PendingAppend | null {
    const full = this.takeFull();
    if (full) return full;
    const last = this.#last;
    this.#last = null;
    return last;
  }

  /** Takes the oldest append that may be stored now and to which nothing can be added. */
  takeFull(): PendingAppend | null {
    const index = this.#full.findIndex((append) => append.after === null); // rule: request.in-order
    return index === -1 ? null : (this.#full.splice(index, 1)[0] ?? null);
  }

  /** The next append of its request may be stored now. */
  stored(append: PendingAppend): void {
    for (const next of this.#full) if (next.after === append) next.after = null;
  }

  /** Takes the appends that continue the request of one that was not stored: they are refused with it. */
  takeContinuing(append: PendingAppend): PendingAppend[] {
    const refused = [append];
    for (const next of this.#full) if (next.after !== null && refused.includes(next.after)) refused.push(next);
    this.#full = this.#full.filter((next) => !refused.includes(next));
    return refused.slice(1);
  }

  /** Events in the append to which the next submission is added. */
  get growingEvents(): number {
    return this.#last?.events ?? 0;
  }

  /** The earliest deadline of all appends; `null` without appends. */
  get deadlineMs(): number | null {
    let earliestMs = this.#last?.deadlineMs ?? null;
    for (const { deadlineMs } of this.#full)
      if (earliestMs === null || deadlineMs < earliestMs) earliestMs = deadlineMs;
    return earliestMs;
  }

  /** Takes all appends whose deadline is over. They may be behind others: a request that has waited before has less time. */
  takeDue(nowMs: number): PendingAppend[] {
    const due = this.#full.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.#full = this.#full.filter(({ deadlineMs }) => deadlineMs > nowMs);
    if (this.#last !== null && this.#last.deadlineMs <= nowMs) {
      due.push(this.#last);
      this.#last = null;
    }
    return due;
  }

  #addLarge(parts: readonly Part[], waiting: Waiting, times: Times): void {
    this.#closeLast();
    const appends = inOrder(parts, times, waiting);
    const [first, ...further] = appends;
    if (first) {
      first.furtherBytes = further.reduce((sum, { bytes }) => sum + bytes, 0);
      first.furtherChunks = further.reduce((sum, { entries }) => sum + entries.length, 0);
    }
    waiting.settle = settleTogether(appends.length, waiting.settle);
    this.#full.push(...appends);
  }

  /** The append that grows, if a submission of this size may join it; else a new one. */
  #appendFor(times: Times, entries: number, events: number, bytes: number): PendingAppend {
    const last = this.#last;
    const fits =
      last?.slot === times.slot &&
      Math.abs(times.deadlineMs - last.deadlineMs) <= DEADLINE_SPREAD_MS_MAX &&
      hasRoom(last, entries, events, bytes);
    if (fits) {
      last.deadlineMs = Math.min(last.deadlineMs, times.deadlineMs);
      return last;
    }
    this.#closeLast();
    this.#last = emptyAppend(times, null);
    return this.#last;
  }

  #closeLast(): void {
    if (this.#last) this.#full.push(this.#last);
    this.#last = null;
  }
}

/** The appends of one submission that is larger than one. */
function inOrder(parts: readonly Part[], times: Times, waiting: Waiting): PendingAppend[] {
  let append = emptyAppend(times, null);
  append.waiting.push(waiting);
  const appends = [append];
  for (const part of parts) {
    let from = 0;
    let bytes = 0;
    for (const [index, line] of part.lines.entries()) {
      const lineBytes = Buffer.byteLength(line) + 1;
      const isEmpty = append.events + index - from === 0;
      if (!isEmpty && !hasRoom(append, 1, index - from + 1, bytes + lineBytes)) {
        addRun(append, part, part.lines.slice(from, index), bytes, waiting);
        append = emptyAppend(times, append);
        append.waiting.push(waiting);
        appends.push(append);
        from = index;
        bytes = 0;
      }
      bytes += lineBytes;
    }
    addRun(append, part, part.lines.slice(from), bytes, waiting);
  }
  return appends;
}

function emptyAppend(times: Times, after: PendingAppend | null): PendingAppend {
  const sizes = { events: 0, bytes: 0, furtherBytes: 0, furtherChunks: 0 };
  return { ...times, ...sizes, entries: [], byKey: new Map(), waiting: [], after };
}

function hasRoom(append: PendingAppend, entries: number, events: number, bytes: number): boolean {
  return (
    append.events + events <= CHUNK_EVENTS_MAX &&
    append.bytes + bytes <= CHUNK_BYTES_MAX &&
    append.entries.length + entries <= APPEND_ENTRIES_MAX
  );
}

/** With each line's LF. */
function bytesOf(lines: readonly string[]): number {
  let bytes = lines.length;
  for (const line of lines) bytes += Buffer.byteLength(line);
  return bytes;
}

/** Adds lines of a submission to the entry of their destination. */
function addRun(append: PendingAppend, part: Part, lines: readonly string[], bytes: number, of: Waiting): void {
  if (lines.length === 0) return;
  const entry = entryOf(append, part);
  for (const line of lines) entry.lines.push(line);
  entry.shares.push({ of, events: lines.length, bytes });
  entry.bytes += bytes;
  append.events += lines.length;
  append.bytes += bytes;
}

function entryOf(append: PendingAppend, part: Part): PendingEntry {
  const { route, dedupe } = part;
  const path = part.path ?? append.slot;
  const first = append.entries[0];
  if (first?.route === route && first.path === path && first.dedupe === dedupe) return first;
  const key = `${dedupe} ${destinationKey({ route, path })}`;
  const found = append.byKey.get(key);
  if (found) return found;
  const entry: PendingEntry = { route, path, dedupe, lines: [], shares: [], bytes: 0 };
  append.entries.push(entry);
  append.byKey.set(key, entry);
  return entry;
}

function withTimeFor(bytes: number, times: Times): Times {
  if (bytes < MIB) return times;
  return { ...times, deadlineMs: times.deadlineMs + Math.floor(bytes / MIB) * DEADLINE_MS_PER_MIB };
}

/**
 * Leaves out what nobody waits for any more: the clients have left, and send it again. Returns whether there was any. Call it
 * only while no append was sent.
 */
export function leaveOutGone(append: PendingAppend): boolean {
  const gone = new Set(append.waiting.filter(({ isGone }) => isGone()));
  if (gone.size === 0) return false;
  for (const entry of append.entries.splice(0)) {
    leaveOut(append, entry, gone);
    if (entry.lines.length > 0) append.entries.push(entry);
  }
  for (const one of append.waiting.splice(0)) {
    if (gone.has(one)) one.settle('gone');
    else append.waiting.push(one);
  }
  return true;
}

function leaveOut(append: PendingAppend, entry: PendingEntry, gone: ReadonlySet<Waiting>): void {
  const lines = entry.lines.splice(0);
  let at = 0;
  for (const share of entry.shares.splice(0)) {
    const next = at + share.events;
    if (gone.has(share.of)) {
      entry.bytes -= share.bytes;
      append.bytes -= share.bytes;
      append.events -= share.events;
    } else {
      for (let index = at; index < next; index++) entry.lines.push(lines[index] ?? '');
      entry.shares.push(share);
    }
    at = next;
  }
}

import { type Destination, isPlain } from './destination.ts';

/**
 * A chunk holds the events for one destination that ingest gathered in one tick; it is one entry of a lane's stream.
 * The append of one or several chunks is the unit of group commit: one append and one fsync acknowledge many requests.
 */

/** Bytes of NDJSON in one append. From 1 MiB on, Redis needs a third more memory (size classes of its allocator). */
export const CHUNK_BYTES_MAX = 1_000_000;
/** Events in one append: limits the number of requests that ingest answers in one turn of its event loop. */
export const CHUNK_EVENTS_MAX = 10_000;
/** Chunks in one append: limits how long its script takes. */
export const APPEND_ENTRIES_MAX = 1_000;
/**
 * The versions of the chunk's format. 1 is of the default route, with a slot of time as its path; 2 also names its route.
 * Chunks of a higher version are left unchanged for a newer release.
 */
export const CHUNK_VERSION = 1;
export const ROUTED_CHUNK_VERSION = 2;

const LF = 0x0a;

/** A chunk as it is read from the stream. */
export interface Chunk extends Destination {
  /** The id of its stream entry. */
  readonly id: string;
  /** Events, one line each. */
  readonly count: number;
  /** Unix time of acceptance, in milliseconds, by ingest's clock. */
  readonly acceptedAtMs: number;
  /** The lines, each ending in LF. */
  readonly body: Buffer;
  /** Where its sampled requests come from, as libs/tracing writes it; null: none was sampled. */
  readonly origins: string | null;
}

/** A run of whole lines of a chunk's body. */
export interface LineRun {
  readonly events: number;
  /** Where in the body the run ends (exclusive). */
  readonly endByte: number;
}

/** The version in which a chunk of this destination is written: the lowest that can say it, so that a rollback can read it. */
export function chunkVersion(destination: Destination): typeof CHUNK_VERSION | typeof ROUTED_CHUNK_VERSION {
  return isPlain(destination) ? CHUNK_VERSION : ROUTED_CHUNK_VERSION;
}

/** Whether the chunk `id` was appended before `other`: `milliseconds-number`, each of up to 64 bits. */
export function isOlderChunk(id: string, other: string): boolean {
  const [ms = '0', number = '0'] = id.split('-');
  const [otherMs = '0', otherNumber = '0'] = other.split('-');
  if (ms !== otherMs) return BigInt(ms) < BigInt(otherMs);
  return BigInt(number) < BigInt(otherNumber);
}

/** The byte at which line `index` starts, counted from line `fromLine` at `fromByte`; -1 if the body ends before it. */
export function byteOfLine(body: Buffer, index: number, fromLine = 0, fromByte = 0): number {
  let byte = fromByte;
  for (let line = fromLine; line < index; line++) {
    const end = body.indexOf(LF, byte);
    if (end === -1) return -1;
    byte = end + 1;
  }
  return byte;
}

/**
 * The longest run of whole lines from `startByte` with at most `eventsMax` lines and `bytesMax` bytes. If `oversized`
 * allows it, a line that is longer than `bytesMax` is a run of its own, so that no event is too large to be stored.
 */
export function lineRun(
  body: Buffer,
  startByte: number,
  limits: { eventsMax: number; bytesMax: number; oversized: boolean },
): LineRun {
  let events = 0;
  let endByte = startByte;
  while (events < limits.eventsMax && endByte < body.length) {
    const end = body.indexOf(LF, endByte);
    if (end === -1) break;
    const fits = end + 1 - startByte <= limits.bytesMax;
    if (!fits && !(limits.oversized && events === 0)) break;
    events += 1;
    endByte = end + 1;
    if (!fits) break;
  }
  return { events, endByte };
}

import { partitionSpan, type PartitionSpan } from '@sink/domain';

/** The audit covers what was accepted in it. An absent end is open. Unix times in milliseconds. */
export interface TimeRange {
  readonly fromMs?: number | undefined;
  /** The first time after the range. */
  readonly toMs?: number | undefined;
}

/**
 * Reads a time as people write it: `2026-11-24`, `2026-11-24T10`, `2026-11-24T10:30`, or full RFC 3339. It is UTC
 * unless it has an offset. Null for anything else.
 */
export function parseTime(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.\d+)?)?)?(Z|[+-]\d{2}:\d{2})?)?$/i.exec(
    text,
  );
  if (!match) return null;
  const [, day = '', hour = '00', minute = '00', second = '00', offset = 'Z'] = match;
  const ms = Date.parse(`${day}T${hour}:${minute}:${second}${offset.toUpperCase()}`);
  return Number.isNaN(ms) ? null : ms;
}

/** Reads both ends of a range. Returns a sentence when one is not a time, or when the range is empty. */
export function rangeOf(from: string | undefined, to: string | undefined): TimeRange | string {
  const [fromMs, toMs] = [from, to].map((text) => (text === undefined ? undefined : parseTime(text)));
  for (const [name, text, ms] of [
    ['--from', from, fromMs],
    ['--to', to, toMs],
  ] as const) {
    if (ms === null) return `${name} ${text} is not a time: give 2026-11-24, 2026-11-24T10 or full RFC 3339 (UTC)`;
  }
  if (typeof fromMs === 'number' && typeof toMs === 'number' && fromMs >= toMs) return '--from must be before --to';
  return { fromMs: fromMs ?? undefined, toMs: toMs ?? undefined };
}

export function inRange(partition: string, range: TimeRange): boolean {
  const span = partitionSpan(partition);
  return span !== null && overlaps(span, range);
}

/**
 * Whether the range covers an object of which this path and this time of acceptance are known. A slot of UTC that contains
 * the time counts as a whole. Any other path (event time, another zone, no time at all) says nothing about acceptance.
 */
export function isCovered(path: string | null, acceptedMs: number, range: TimeRange): boolean {
  const span = slotOf(path, acceptedMs);
  return span === null ? inTimeRange(acceptedMs, range) : overlaps(span, range);
}

/** The span of the slot of UTC that a path is, if the time is in it. */
export function slotOf(path: string | null, acceptedMs: number): PartitionSpan | null {
  const span = path === null ? null : partitionSpan(path);
  return span !== null && span.startMs <= acceptedMs && acceptedMs < span.endMs ? span : null;
}

function overlaps(span: PartitionSpan, { fromMs, toMs }: TimeRange): boolean {
  return (fromMs === undefined || span.endMs > fromMs) && (toMs === undefined || span.startMs < toMs);
}

function inTimeRange(ms: number, { fromMs, toMs }: TimeRange): boolean {
  return (fromMs === undefined || ms >= fromMs) && (toMs === undefined || ms < toMs);
}

/** The keys of all partitions in the range sort between these two, by their bytes; '' where the range is open. */
export function keyBounds(
  prefix: string,
  { fromMs, toMs }: TimeRange,
): { readonly after: string; readonly before: string } {
  return {
    after: fromMs === undefined ? '' : `${prefix}${dayOf(fromMs)}`,
    // `0` is the character after `/`: every key of that day sorts before it.
    before: toMs === undefined ? '' : `${prefix}${dayOf(toMs)}0`,
  };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll('-', '/');
}

import { partitionSpan } from '@sink/domain';

/** Partitions whose time overlaps it are looked at; absent ends are open. Unix times in milliseconds. */
export interface TimeRange {
  readonly fromMs?: number | undefined;
  /** The first moment that does not belong to it any more. */
  readonly toMs?: number | undefined;
}

/**
 * A moment as people write it: `2026-11-24`, `2026-11-24T10`, `2026-11-24T10:30`, or RFC 3339 in full. UTC unless an offset
 * says otherwise; `null` for anything else.
 */
export function parseMoment(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.\d+)?)?)?(Z|[+-]\d{2}:\d{2})?)?$/i.exec(
    text,
  );
  if (!match) return null;
  const [, day = '', hour = '00', minute = '00', second = '00', offset = 'Z'] = match;
  const ms = Date.parse(`${day}T${hour}:${minute}:${second}${offset.toUpperCase()}`);
  return Number.isNaN(ms) ? null : ms;
}

/** A sentence when a moment cannot be read or the range is empty. */
export function rangeOf(from: string | undefined, to: string | undefined): TimeRange | string {
  const [fromMs, toMs] = [from, to].map((text) => (text === undefined ? undefined : parseMoment(text)));
  for (const [name, text, ms] of [
    ['--from', from, fromMs],
    ['--to', to, toMs],
  ] as const) {
    if (ms === null) return `${name} ${text} is no moment: give 2026-11-24, 2026-11-24T10 or RFC 3339 in full (UTC)`;
  }
  if (typeof fromMs === 'number' && typeof toMs === 'number' && fromMs >= toMs) return '--from has to be before --to';
  return { fromMs: fromMs ?? undefined, toMs: toMs ?? undefined };
}

export function inRange(partition: string, { fromMs, toMs }: TimeRange): boolean {
  const span = partitionSpan(partition);
  if (span === null) return false;
  return (fromMs === undefined || span.endMs > fromMs) && (toMs === undefined || span.startMs < toMs);
}

/** Keys of partitions in the range come after the one and before the other, by their bytes; '' where the range is open. */
export function keyBounds(
  prefix: string,
  { fromMs, toMs }: TimeRange,
): { readonly after: string; readonly before: string } {
  return {
    after: fromMs === undefined ? '' : `${prefix}${dayOf(fromMs)}`,
    // The character behind `/`: all of that day comes before it.
    before: toMs === undefined ? '' : `${prefix}${dayOf(toMs)}0`,
  };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll('-', '/');
}

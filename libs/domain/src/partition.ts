/** How objects are partitioned by time: one folder per hour, or one per day (UTC). */
export type TimeInterval = 'HOURLY' | 'DAILY';

const PARTITION = /^(\d{4})\/(\d{2})\/(\d{2})(?:\/(\d{2}))?$/;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The partition (`YYYY/MM/DD/HH`, or `YYYY/MM/DD` when daily, in UTC) of an event accepted at `acceptedAtMs`. */
export function partitionAt(acceptedAtMs: number, interval: TimeInterval): string {
  const [date = '', time = ''] = new Date(acceptedAtMs).toISOString().split('T');
  const day = date.replaceAll('-', '/');
  return interval === 'HOURLY' ? `${day}/${time.slice(0, 2)}` : day;
}

/** A partition's span of Unix time in milliseconds: from `startMs` to before `endMs`. */
export interface PartitionSpan {
  readonly startMs: number;
  readonly endMs: number;
}

/** The span of a partition; null if `partition` is not one, so that no other text becomes part of a key. */
export function partitionSpan(partition: string): PartitionSpan | null {
  const match = PARTITION.exec(partition);
  if (!match) return null;
  const [year = 0, month = 0, day = 0, hour = 0] = match
    .slice(1)
    .map((digits: string | undefined) => Number(digits ?? 0));
  const startMs = Date.UTC(year, month - 1, day, hour);
  const start = new Date(startMs);
  const isDate = start.getUTCFullYear() === year && start.getUTCMonth() === month - 1 && start.getUTCDate() === day;
  if (!isDate || start.getUTCHours() !== hour) return null;
  return { startMs, endMs: startMs + (match[4] === undefined ? DAY_MS : HOUR_MS) };
}

/** How objects are partitioned by time: one folder an hour, or one a day (UTC). */
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

/** The first millisecond (Unix time) after a partition, or `null` when `partition` is not one: it never becomes a key. */
export function partitionEndMs(partition: string): number | null {
  const match = PARTITION.exec(partition);
  if (!match) return null;
  const [, year, month, day, hour] = match;
  const startMs = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour ?? 0));
  const interval: TimeInterval = hour === undefined ? 'DAILY' : 'HOURLY';
  return partitionAt(startMs, interval) === partition ? startMs + (hour === undefined ? DAY_MS : HOUR_MS) : null;
}

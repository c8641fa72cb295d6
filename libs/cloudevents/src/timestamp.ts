/**
 * Timestamps of CloudEvents: RFC 3339 section 5.6 `date-time`, with any offset and any number of digits in the
 * fraction. They are checked, never rewritten.
 */

const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
const OFFSET_CHARACTERS = 6;
const MINUTES_PER_DAY = 24 * 60;

/**
 * Whether date and time exist. Second 60 is a leap second at the end of a UTC month (RFC 3339 section 5.7). It is
 * accepted at 23:59:60 UTC at the end of every month, because the sink has no table of leap seconds.
 */
export function isTimestamp(value: string): boolean {
  if (!DATE_TIME.test(value)) return false;
  const year = twoDigits(value, 0) * 100 + twoDigits(value, 2);
  const month = twoDigits(value, 5);
  const day = twoDigits(value, 8);
  const hour = twoDigits(value, 11);
  const minute = twoDigits(value, 14);
  const second = twoDigits(value, 17);
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false;
  if (hour > 23 || minute > 59 || second > 60) return false;

  const offsetMinutes = offsetOf(value);
  if (offsetMinutes === null) return false;
  return second < 60 || endsUtcMonth(year, month, day, hour * 60 + minute - offsetMinutes);
}

/**
 * The Unix time of a timestamp, in milliseconds; what is finer is cut off. A leap second is the last moment of its minute,
 * so that it is in the day that it ends.
 *
 * @param value for which isTimestamp is true
 */
export function timestampMs(value: string): number {
  const minute = Date.UTC(
    2000,
    twoDigits(value, 5) - 1,
    twoDigits(value, 8),
    twoDigits(value, 11),
    twoDigits(value, 14),
  );
  const year = twoDigits(value, 0) * 100 + twoDigits(value, 2);
  // Date.UTC reads the years 0 to 99 as 1900 to 1999.
  const days = new Date(minute).setUTCFullYear(year, twoDigits(value, 5) - 1, twoDigits(value, 8));
  const second = twoDigits(value, 17);
  const ms = second === 60 ? 59_999 : second * 1000 + millisecondsOf(value);
  return days + ms - (offsetOf(value) ?? 0) * 60_000;
}

function millisecondsOf(value: string): number {
  if (value[19] !== '.') return 0;
  const digits = /^\d{1,3}/.exec(value.slice(20, 23))?.[0] ?? '';
  return Number(digits.padEnd(3, '0'));
}

function twoDigits(value: string, at: number): number {
  return (value.charCodeAt(at) - 0x30) * 10 + value.charCodeAt(at + 1) - 0x30;
}

/** Minutes east of UTC; null if out of range. */
function offsetOf(value: string): number | null {
  const last = value.charCodeAt(value.length - 1);
  if (last === 0x5a || last === 0x7a) return 0;
  const at = value.length - OFFSET_CHARACTERS;
  const hours = twoDigits(value, at + 1);
  const minutes = twoDigits(value, at + 4);
  if (hours > 23 || minutes > 59) return null;
  return (value.charAt(at) === '-' ? -1 : 1) * (hours * 60 + minutes);
}

/** `minuteOfDay` counts from midnight UTC of the given day, and may be outside that day. */
function endsUtcMonth(year: number, month: number, day: number, minuteOfDay: number): boolean {
  switch (minuteOfDay) {
    case MINUTES_PER_DAY - 1:
      return day === daysIn(year, month);
    case -1:
      return day === 1;
    default:
      return false;
  }
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

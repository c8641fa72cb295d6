import type { PartitionSpan, TimeInterval } from '@sink/domain';

/** How long the slots of a preset are. */
export type SlotInterval =
  TimeInterval | 'MONTHLY' | 'MINUTES_5' | 'MINUTES_10' | 'MINUTES_15' | 'MINUTES_20' | 'MINUTES_30';

export const SLOT_INTERVALS: readonly SlotInterval[] = [
  ...(['HOURLY', 'DAILY', 'MONTHLY'] as const),
  ...(['MINUTES_5', 'MINUTES_10', 'MINUTES_15', 'MINUTES_20', 'MINUTES_30'] as const),
];

/** The minutes of a slot that is shorter than an hour; null for others. */
export function minutesOf(interval: SlotInterval): number | null {
  return interval.startsWith('MINUTES_') ? Number(interval.slice('MINUTES_'.length)) : null;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Four digits in every zone; what is outside counts as the first or last moment. */
const FIRST_MS = new Date('0001-01-02T00:00:00Z').getTime();
const LAST_MS = Date.UTC(9998, 11, 31);

/** A zone's clock. */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat | null;

  /** @throws RangeError for a zone that does not exist */
  constructor(timeZone: string) {
    const options = { timeZone, calendar: 'iso8601', numberingSystem: 'latn', hourCycle: 'h23' } as const;
    const digits = '2-digit' as const;
    const format = new Intl.DateTimeFormat('en-US', {
      ...options,
      ...{ year: 'numeric', month: digits, day: digits, hour: digits, minute: digits, second: digits },
    });
    this.#format = format.resolvedOptions().timeZone === 'UTC' ? null : format;
  }

  get isUtc(): boolean {
    return this.#format === null;
  }

  /** What a clock of the zone shows at `ms`, as if it were UTC. */
  localMs(ms: number): number {
    if (this.#format === null) return ms;
    const parts: Partial<Record<string, number>> = {};
    for (const { type, value } of this.#format.formatToParts(ms)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return utcMs(year, month, day, hour, minute, second) + modulo(ms, 1000);
  }

  /** When the clock first shows `fromMs` or later, and when it last shows less than `toMs`. Both as of `localMs`. */
  spanOf(fromMs: number, toMs: number): PartitionSpan {
    const starts = this.#instants(fromMs).filter((ms) => this.localMs(ms) >= fromMs);
    const ends = this.#instants(toMs).filter((ms) => this.localMs(ms - 1) < toMs);
    return {
      startMs: Math.min(...(starts.length > 0 ? starts : this.#instants(fromMs))),
      endMs: Math.max(...(ends.length > 0 ? ends : this.#instants(toMs))),
    };
  }

  /** With the zone's offsets of the day before and after. */
  #instants(localMs: number): readonly number[] {
    return [localMs - DAY_MS, localMs + DAY_MS].map((ms) => localMs - (this.localMs(ms) - ms));
  }
}

/** Date.UTC, which reads the years 0 to 99 as 1900 to 1999. */
export function utcMs(year: number, month = 1, day = 1, hour = 0, minute = 0, second = 0): number {
  return new Date(Date.UTC(2000, month - 1, day, hour, minute, second)).setUTCFullYear(year, month - 1, day);
}

/** Slots that are cached: two weeks of quarters of an hour. A flood of other times makes slots slower, not larger. */
const SLOTS_MAX = 1_500;

/** Something that depends on the local time only by whole `minutes`, made once for each such slot. */
export class TimeSlots<Slot> {
  readonly #time: LocalTime;
  readonly #stepMs: number;
  readonly #make: (localMs: number) => Slot;
  readonly #slots = new Map<number, Slot>();
  #last: { readonly index: number; readonly slot: Slot } | null = null;

  /** @param minutes a divisor of 15, because all zones are whole quarters of an hour apart, or were not for long */
  constructor(time: LocalTime, minutes: 1 | 5 | 15, make: (localMs: number) => Slot) {
    this.#time = time;
    this.#stepMs = minutes * MINUTE_MS;
    this.#make = make;
  }

  at(givenMs: number): Slot {
    const ms = Math.min(Math.max(givenMs, FIRST_MS), LAST_MS);
    const index = Math.floor(ms / this.#stepMs);
    if (this.#last?.index === index) return this.#last.slot;
    const found = this.#slots.get(index);
    if (found !== undefined) {
      this.#last = { index, slot: found };
      return found;
    }
    const slot = this.#make(this.#time.localMs(ms));
    if (this.#isWhole(index)) {
      if (this.#slots.size >= SLOTS_MAX) this.#slots.clear();
      this.#slots.set(index, slot);
      this.#last = { index, slot };
    }
    return slot;
  }

  /** Whether the local clock runs through one whole step meanwhile. It did not where offsets had odd minutes or seconds. */
  #isWhole(index: number): boolean {
    const from = this.#time.localMs(index * this.#stepMs);
    const to = this.#time.localMs((index + 1) * this.#stepMs - 1);
    return modulo(from, this.#stepMs) === 0 && to - from === this.#stepMs - 1;
  }
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

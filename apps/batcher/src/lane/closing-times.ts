import { partitionSpan } from '@sink/domain';
import type { Clock } from '@sink/runtime';
import type { BatcherSettings } from '../settings.ts';
import { DueQueue } from './due-queue.ts';
import type { OpenSegment } from './open-segment.ts';

/** What closes a segment that is not full. */
export type DueBy = 'interval' | 'idle' | 'slot_end' | 'early';

/** A wall clock that was set by less than this moves the end of a slot by as much. */
const CLOCK_SET_MS = 100;

type Settings = Pick<
  BatcherSettings,
  'partitionEndGraceMs' | 'scheduledIntervalMs' | 'idleIntervalMs' | 'openMsMin' | 'flushSize' | 'flushBytes'
>;

/**
 * When each open segment is to be closed: full or at its interval, when nothing arrived for it any more, or soon after its
 * slot of time has ended.
 *
 * The queue has the time that was true when it was last looked at. Events that arrive only postpone it, so it is computed
 * again when it comes. What can bring it forward, a change of the settings or of the clock, has all times computed again.
 */
export class ClosingTimes {
  readonly #clock: Clock;
  readonly #settings: Settings;
  readonly #all: () => Iterable<OpenSegment>;
  readonly #queue = new DueQueue<OpenSegment>();
  /** Those opened until then are due: monotonic time. */
  #closeUpToMs = Number.NEGATIVE_INFINITY;
  #knownSettings = '';
  #knownOffsetMs = 0;

  constructor(clock: Clock, settings: Settings, all: () => Iterable<OpenSegment>) {
    this.#clock = clock;
    this.#settings = settings;
    this.#all = all;
  }

  opened(segment: OpenSegment): void {
    this.#queue.put(segment, this.#dueMs(segment));
  }

  removed(segment: OpenSegment): void {
    this.#queue.remove(segment);
  }

  closeAll(): void {
    this.#closeUpToMs = this.#clock.monotonicMs();
    this.changed();
  }

  /** To be called when a limit was lowered that is not one of the settings. */
  changed(): void {
    for (const segment of this.#all()) this.#queue.put(segment, this.#dueMs(segment));
  }

  /** A segment that is to be closed now. */
  get due(): OpenSegment | undefined {
    const next = this.#next();
    return next !== undefined && next.dueMs <= this.#clock.monotonicMs() ? next : undefined;
  }

  /** Why a segment that is not full is due. */
  dueBy(segment: OpenSegment): DueBy {
    if (segment.openedAtMs <= this.#closeUpToMs) return 'early';
    const { intervalMs, idleMs, endMs } = this.#times(segment);
    const firstMs = Math.min(intervalMs, idleMs, endMs);
    if (firstMs === intervalMs) return 'interval';
    return firstMs === idleMs ? 'idle' : 'slot_end';
  }

  get untilDueMs(): number {
    const nextMs = this.#next()?.dueMs ?? Infinity;
    return Math.max(0, Math.ceil(nextMs - this.#clock.monotonicMs()));
  }

  /** The segment that comes due first, with its time as it is now. */
  #next(): OpenSegment | undefined {
    this.#noticeChanges();
    for (;;) {
      const { first } = this.#queue;
      if (first === undefined || first.dueMs > this.#clock.monotonicMs()) return first;
      const dueMs = this.#dueMs(first);
      if (dueMs <= this.#clock.monotonicMs()) return first;
      this.#queue.put(first, dueMs);
    }
  }

  #noticeChanges(): void {
    const { scheduledIntervalMs, idleIntervalMs, flushSize, flushBytes } = this.#settings;
    const settings = [scheduledIntervalMs, idleIntervalMs, flushSize, flushBytes].join(' ');
    const offsetMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    if (settings === this.#knownSettings && Math.abs(offsetMs - this.#knownOffsetMs) < CLOCK_SET_MS) return;
    this.#knownSettings = settings;
    this.#knownOffsetMs = offsetMs;
    this.changed();
  }

  #dueMs(segment: OpenSegment): number {
    if (segment.isFull || segment.openedAtMs <= this.#closeUpToMs) return Number.NEGATIVE_INFINITY;
    const { intervalMs, idleMs, endMs } = this.#times(segment);
    return Math.min(intervalMs, idleMs, endMs);
  }

  #times(segment: OpenSegment): { readonly intervalMs: number; readonly idleMs: number; readonly endMs: number } {
    const { rules } = segment;
    const scheduledIntervalMs = rules.scheduledIntervalMs ?? this.#settings.scheduledIntervalMs;
    const idleIntervalMs = rules.idleIntervalMs ?? this.#settings.idleIntervalMs ?? Infinity;
    const { openMsMin } = this.#settings;
    // The interval counts from the first event; a clock that differs from ingest's can only move it within these bounds.
    const waitMs = Math.min(scheduledIntervalMs, Math.max(openMsMin, scheduledIntervalMs - segment.ageMs));
    const idleMs = segment.takenAtMs + idleIntervalMs;
    return { intervalMs: segment.openedAtMs + waitMs, idleMs, endMs: this.#endMs(segment) };
  }

  /** Soon after its slot of time has ended, if its path is one. */
  #endMs({ destination, openedAtMs, rules }: OpenSegment): number {
    const { partitionEndGraceMs } = this.#settings;
    const { endsWithSlot, slotSpan = partitionSpan } = rules;
    const span = endsWithSlot ? slotSpan(destination.path) : null;
    const endMs = span?.endMs ?? Infinity;
    const toEndMs = Math.max(0, endMs + partitionEndGraceMs - this.#clock.wallMs());
    return Math.max(this.#clock.monotonicMs() + toEndMs, openedAtMs + partitionEndGraceMs);
  }
}

import { parseObjectKey, prefixOfObjectKey, type Receipt } from '@sink/domain';
import type { LaneView } from '@sink/lane';
import { inRange, type TimeRange } from './time-range.ts';

/** What an object must be according to its receipt. */
export interface Expected extends Pick<Receipt, 'etag' | 'objectBytes' | 'count' | 'bytes' | 'sha256'> {
  /** Where the object was stored. Receipts of earlier releases do not say it. */
  readonly place: 'here' | 'elsewhere' | 'unknown';
}

/**
 * The receipts of all lanes for the objects in a range, by key. They are in memory, at some 400 bytes each;
 * `receipts_max` limits their number. `readOn` adds those that were committed since the last read.
 */
export class Receipts {
  readonly #lanes: readonly LaneView[];
  readonly #place: string;
  readonly #range: TimeRange;
  readonly #cursors = new Map<LaneView, string>();
  readonly #expected = new Map<string, Expected>();
  readonly #prefixes = new Set<string>();
  readonly #elsewhere = new Map<string, number>();
  #oldestStoredMs: number | null = null;

  /** @param place as `placeOf` of libs/objects names it */
  constructor(lanes: readonly LaneView[], place: string, range: TimeRange) {
    this.#lanes = lanes;
    this.#place = place;
    this.#range = range;
  }

  /** @throws ReceiptUnreadable for a receipt of a newer release */
  async readOn(): Promise<void> {
    for (const lane of this.#lanes) {
      let oldestOfLaneMs: number | null = null;
      for await (const page of lane.receipts(this.#cursors.get(lane))) {
        // Read after the page: a place is there before the first receipt that has its number.
        const places = await lane.places();
        for (const { entryId, receipt, place } of page) {
          oldestOfLaneMs ??= receipt.storedAtMs;
          this.#take(receipt, place === null ? null : (places.get(place) ?? `place ${place}`));
          this.#cursors.set(lane, entryId);
        }
      }
      if (oldestOfLaneMs !== null && (await lane.receiptsDropped())) {
        this.#oldestStoredMs = Math.max(this.#oldestStoredMs ?? 0, oldestOfLaneMs);
      }
    }
  }

  /**
   * The receipts of older objects may have been dropped; Unix time in milliseconds. Null: no receipt was dropped.
   */
  get keptSinceMs(): number | null {
    return this.#oldestStoredMs;
  }

  /** The prefixes of the objects, which differ if `prefix` was changed. */
  get prefixes(): ReadonlySet<string> {
    return this.#prefixes;
  }

  /** The receipts of objects in other places, by place. */
  get elsewhere(): ReadonlyMap<string, number> {
    return this.#elsewhere;
  }

  /** Removes and returns what is expected under a key. */
  take(key: string): Expected | undefined {
    const expected = this.#expected.get(key);
    this.#expected.delete(key);
    return expected;
  }

  /** What was not taken yet, by key. */
  left(): Iterable<readonly [key: string, Expected]> {
    return this.#expected;
  }

  #take({ key, etag, objectBytes, count, bytes, sha256 }: Receipt, place: string | null): void {
    const prefix = prefixOfObjectKey(key);
    const parsed = prefix === null ? null : parseObjectKey(prefix, key);
    if (parsed !== null && !inRange(parsed.partition, this.#range)) return;
    const isElsewhere = place !== null && place !== this.#place;
    if (isElsewhere) this.#elsewhere.set(place, (this.#elsewhere.get(place) ?? 0) + 1);
    else if (prefix !== null) this.#prefixes.add(prefix);
    const where = place === null ? 'unknown' : isElsewhere ? 'elsewhere' : 'here';
    this.#expected.set(key, { etag, objectBytes, count, bytes, sha256, place: where });
  }
}

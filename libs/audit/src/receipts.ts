import { parseObjectKey, type Receipt } from '@sink/domain';
import type { LaneView } from '@sink/lane';
import { inRange, type TimeRange } from './time-range.ts';

/** What an object must be according to its receipt. */
export type Expected = Pick<Receipt, 'etag' | 'objectBytes' | 'count' | 'bytes' | 'sha256'>;

/**
 * The receipts of all lanes for the objects in a range, by key. They are in memory, at some 400 bytes each;
 * `receipts_max` limits their number. `readOn` adds those that were committed since the last read.
 */
export class Receipts {
  readonly #lanes: readonly LaneView[];
  readonly #prefix: string;
  readonly #range: TimeRange;
  readonly #cursors = new Map<LaneView, string>();
  readonly #expected = new Map<string, Expected>();
  #oldestStoredMs: number | null = null;

  constructor(lanes: readonly LaneView[], prefix: string, range: TimeRange) {
    this.#lanes = lanes;
    this.#prefix = prefix;
    this.#range = range;
  }

  /** @throws ReceiptUnreadable for a receipt of a newer release */
  async readOn(): Promise<void> {
    for (const lane of this.#lanes) {
      let oldestOfLaneMs: number | null = null;
      for await (const page of lane.receipts(this.#cursors.get(lane))) {
        for (const { entryId, receipt } of page) {
          oldestOfLaneMs ??= receipt.storedAtMs;
          this.#take(receipt);
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

  /** Removes and returns what is expected under a key. */
  take(key: string): Expected | undefined {
    const expected = this.#expected.get(key);
    this.#expected.delete(key);
    return expected;
  }

  /** The keys that were not taken yet. */
  keys(): Iterable<string> {
    return this.#expected.keys();
  }

  #take({ key, etag, objectBytes, count, bytes, sha256 }: Receipt): void {
    const parsed = parseObjectKey(this.#prefix, key);
    if (parsed !== null && !inRange(parsed.partition, this.#range)) return;
    this.#expected.set(key, { etag, objectBytes, count, bytes, sha256 });
  }
}

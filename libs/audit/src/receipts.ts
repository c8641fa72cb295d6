import {
  parseObjectKey,
  partitionSpan,
  prefixOfObjectKey,
  QUARANTINE_ROUTE,
  type Receipt,
  RECEIPT_VERSION,
  type RoutedReceipt,
} from '@sink/domain';
import type { LaneView } from '@sink/lane';
import { inRange, inTimeRange, type TimeRange } from './time-range.ts';

/** What an object must be according to its receipt. */
export interface Expected extends Pick<Receipt, 'etag' | 'objectBytes' | 'count' | 'bytes' | 'sha256'> {
  /** Where the object was stored, as `placeOf` of libs/objects names it. Null: receipts of earlier releases do not say it. */
  readonly place: string | null;
  /** The start of its key; null: the key has another form. */
  readonly prefix: string | null;
  /** Its lines are evidence of what was refused, and no events. */
  readonly isQuarantine: boolean;
}

/** What the receipts of one place say about its objects. */
export interface PlaceOfReceipts {
  objects: number;
  /** The bucket, which only receipts of version 2 name. */
  bucket: string | null;
  /** The prefixes of the objects, which differ if one was changed. */
  readonly prefixes: Set<string>;
  /** Those of paths that are not slots of time: a range of time does not bound their keys. */
  readonly withOtherPaths: Set<string>;
}

/**
 * The receipts of all lanes for the objects in a range, by key. They are in memory, at some 400 bytes each;
 * `receipts_max` limits their number. `readOn` adds those that were committed since the last read.
 */
export class Receipts {
  readonly #lanes: readonly LaneView[];
  readonly #range: TimeRange;
  readonly #cursors = new Map<LaneView, string>();
  readonly #expected = new Map<string, Expected>();
  readonly #places = new Map<string | null, PlaceOfReceipts>();
  #oldestStoredMs: number | null = null;

  constructor(lanes: readonly LaneView[], range: TimeRange) {
    this.#lanes = lanes;
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

  /** The places of the objects; null for those of receipts that name none. */
  get places(): ReadonlyMap<string | null, PlaceOfReceipts> {
    return this.#places;
  }

  /** What is expected under a key. */
  of(key: string): Expected | undefined {
    return this.#expected.get(key);
  }

  /** The object was found. */
  settle(key: string): void {
    this.#expected.delete(key);
  }

  /** What was not found yet, by key. */
  left(): Iterable<readonly [key: string, Expected]> {
    return this.#expected;
  }

  #take(receipt: Receipt, place: string | null): void {
    const { key, etag, objectBytes, count, bytes, sha256 } = receipt;
    const where = receipt.v === RECEIPT_VERSION ? whereIs(key) : whereIsRouted(receipt);
    if (where.slot !== null && !inRange(where.slot, this.#range)) return;
    if (where.isOtherPath && !inTimeRange(receipt.acceptedAtMs, this.#range)) return;
    const known = this.#places.get(place) ?? newPlace();
    this.#places.set(place, known);
    known.objects += 1;
    known.bucket ??= where.bucket;
    if (where.prefix !== null) known.prefixes.add(where.prefix);
    if (where.prefix !== null && where.isOtherPath) known.withOtherPaths.add(where.prefix);
    const isQuarantine = receipt.v !== RECEIPT_VERSION && receipt.route === QUARANTINE_ROUTE;
    this.#expected.set(key, { etag, objectBytes, count, bytes, sha256, place, prefix: where.prefix, isQuarantine });
  }
}

interface Where {
  readonly bucket: string | null;
  /** Null: the key has another form. */
  readonly prefix: string | null;
  readonly slot: string | null;
  readonly isOtherPath: boolean;
}

function whereIs(key: string): Where {
  const prefix = prefixOfObjectKey(key);
  const parsed = prefix === null ? null : parseObjectKey(prefix, key);
  return { bucket: null, prefix, slot: parsed?.partition ?? null, isOtherPath: false };
}

function whereIsRouted({ bucket, key, path }: RoutedReceipt): Where {
  const folder = key.slice(0, key.lastIndexOf('/'));
  const prefix = folder.endsWith(path) ? folder.slice(0, -path.length) : null;
  const isSlot = partitionSpan(path) !== null;
  return { bucket, prefix, slot: isSlot ? path : null, isOtherPath: !isSlot };
}

function newPlace(): PlaceOfReceipts {
  return { objects: 0, bucket: null, prefixes: new Set(), withOtherPaths: new Set() };
}

import { parseObjectKey, prefixOfObjectKey, QUARANTINE_ROUTE, type Receipt, RECEIPT_VERSION } from '@sink/domain';
import type { LaneView } from '@sink/lane';
import { isCovered, slotOf, type TimeRange } from './time-range.ts';

/** What an object must be according to its receipt. */
export interface Expected extends Pick<Receipt, 'etag' | 'objectBytes' | 'count' | 'bytes' | 'sha256'> {
  /** Where the object was stored, as `placeOf` of libs/objects names it. Null: receipts of earlier releases do not say it. */
  readonly place: string | null;
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
  /** Those of paths that do not say when their events were accepted: a range of time does not bound their keys. */
  readonly withOtherPaths: Set<string>;
}

/**
 * The receipts of all lanes for the objects in a range, by key. They are in memory, at some 600 bytes each;
 * `receipts_max` limits their number. `readOn` adds those that were committed since the last read.
 */
export class Receipts {
  readonly #lanes: readonly LaneView[];
  readonly #range: TimeRange;
  readonly #cursors = new Map<LaneView, string>();
  readonly #expected = new Map<string, Expected>();
  /** The key of the object that begins with an event. */
  readonly #firstEvents = new Map<string, string>();
  /** Keys of objects outside of the range. */
  readonly #outside = new Set<string>();
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

  /** Whether an object has a receipt and is outside of the range. */
  isOutside(key: string): boolean {
    return this.#outside.has(key);
  }

  /** The object whose receipt was the first that begins with this event. */
  keyOfFirst(firstEvent: string): string | undefined {
    return this.#firstEvents.get(firstEvent);
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
    const { key, etag, objectBytes, count, bytes, sha256, acceptedAtMs } = receipt;
    const { bucket, prefix, path, firstEvent, isQuarantine } = whereIs(receipt);
    if (!isCovered(path, acceptedAtMs, this.#range)) {
      this.#outside.add(key);
      return;
    }
    const known = this.#places.get(place) ?? newPlace();
    this.#places.set(place, known);
    known.objects += 1;
    known.bucket ??= bucket;
    if (prefix !== null) known.prefixes.add(prefix);
    if (prefix !== null && slotOf(path, acceptedAtMs) === null) known.withOtherPaths.add(prefix);
    if (firstEvent !== null && !this.#firstEvents.has(firstEvent)) this.#firstEvents.set(firstEvent, key);
    this.#expected.set(key, { etag, objectBytes, count, bytes, sha256, place, isQuarantine });
  }
}

interface Where {
  readonly bucket: string | null;
  /** The three are null if the key has another form. */
  readonly prefix: string | null;
  readonly path: string | null;
  readonly firstEvent: string | null;
  readonly isQuarantine: boolean;
}

function whereIs(receipt: Receipt): Where {
  const { key } = receipt;
  const routed = receipt.v === RECEIPT_VERSION ? null : receipt;
  const prefix = prefixOfObjectKey(key, routed?.path);
  const { path = null, firstEvent = null } = (prefix === null ? null : parseObjectKey(prefix, key)) ?? {};
  return { bucket: routed?.bucket ?? null, prefix, path, firstEvent, isQuarantine: routed?.route === QUARANTINE_ROUTE };
}

function newPlace(): PlaceOfReceipts {
  return { objects: 0, bucket: null, prefixes: new Set(), withOtherPaths: new Set() };
}

import { parseManifestKey, parseObjectKey, type ParsedKey, parseRetryMarkerKey } from '@sink/domain';
import type { LaneView } from '@sink/lane';
import { type ListedObject, PROBE_NAME } from '@sink/objects';
import type { Findings } from './findings.ts';
import type { LookedAt } from './places.ts';
import type { Expected, Receipts } from './receipts.ts';
import { inRange, isCovered, type TimeRange } from './time-range.ts';

/**
 * Receipts are in the order of the commits, and the time of an object is that of the store's clock. So objects around
 * the oldest receipt are not judged.
 */
const HORIZON_MS = 10 * 60_000;

/** Where an object was listed. */
export interface ListedIn extends LookedAt {
  /** All prefixes under which the sink stores there. */
  readonly prefixes: readonly string[];
}

interface ExaminationPorts {
  readonly lanes: readonly LaneView[];
  readonly receipts: Receipts;
  readonly findings: Findings;
  /** The lanes of this sink. */
  readonly uids: ReadonlySet<string | null>;
  /** Whether the objects of a place are, or will be, listed. */
  readonly isLookedAt: (place: string) => boolean;
}

interface ExaminationOptions {
  readonly quarantinePrefix: string;
  readonly range: TimeRange;
  /** The configured place. */
  readonly place: string;
}

/** Compares listed objects with their receipts, and counts them. */
export class Examination {
  readonly #ports: ExaminationPorts;
  readonly #options: ExaminationOptions;
  /** Objects of the sink's lanes for which no receipt was found yet. */
  readonly #unreceipted = new Map<string, { readonly object: ListedObject; readonly at: LookedAt }>();
  readonly counts = {
    objects: 0,
    events: 0,
    objectBytes: 0,
    quarantineObjects: 0,
    quarantineLines: 0,
    retryMarkers: 0,
    underWay: 0,
    beforeReceipts: 0,
    copies: 0,
    placeUnknown: 0,
    manifests: 0,
    ofOthers: 0,
  };
  /** Objects that agree with their receipt, by place. */
  readonly agreeing = new Map<string, number>();
  /** Of objects without receipts, those that begin with the same event are neighbours in a listing: their keys differ only in the hash. */
  #last = { firstEvent: '', key: '' };

  constructor(ports: ExaminationPorts, options: ExaminationOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /**
   * Returns what to read the object for, undefined: for its events only; null: not at all. It is an object of another
   * program, a manifest, the probe of `check`, outside of the range, or a copy.
   */
  examine(object: ListedObject, at: ListedIn): Expected | undefined | null {
    const { quarantinePrefix, range } = this.#options;
    const { receipts, uids } = this.#ports;
    const { key } = object;
    if (key.endsWith(PROBE_NAME) && at.prefixes.some((prefix) => key === `${prefix}${PROBE_NAME}`)) return null;
    if (parseRetryMarkerKey(quarantinePrefix, key) !== null) {
      // They are in no folder of a day.
      if (range.fromMs === undefined && range.toMs === undefined) this.counts.retryMarkers += 1;
      return null;
    }
    if (receipts.isOutside(key)) return null;
    const found = receipts.of(key);
    const parsed = this.#parse(parseObjectKey, key, at);
    if (found !== undefined) {
      this.#compareFirst(parsed, key);
      return this.#compare(object, found, at);
    }
    const manifest = parsed === null ? this.#parse(parseManifestKey, key, at) : null;
    if (manifest !== null && uids.has(manifest.laneUid)) {
      const isUnbounded = range.fromMs === undefined && range.toMs === undefined;
      if (isUnbounded || inRange(manifest.path, range)) this.counts.manifests += 1;
      return null;
    }
    if (parsed === null || !uids.has(parsed.laneUid)) {
      this.counts.ofOthers += 1;
      return null;
    }
    // Its first event was accepted a moment before it was appended.
    if (!isCovered(parsed.path, parsed.appendedMs, range)) return null;
    this.#compareFirst(parsed, key);
    if (this.#isBeforeReceipts(object)) this.counts.beforeReceipts += 1;
    else this.#unreceipted.set(key, { object, at });
    return undefined;
  }

  isQuarantine(key: string, expected: Expected | undefined): boolean {
    return expected?.isQuarantine ?? parseObjectKey(this.#options.quarantinePrefix, key) !== null;
  }

  /** A commit moves a segment from the records to the receipts. Read in this order, one of them contains it. */
  async settleUnreceipted(): Promise<void> {
    const { receipts, findings } = this.#ports;
    const underWay = this.#unreceipted.size > 0 ? await this.#keysUnderWay() : new Set<string>();
    await receipts.readOn();
    for (const [key, { object, at }] of this.#unreceipted) {
      const expected = receipts.of(key);
      if (expected !== undefined) this.#compare(object, expected, at);
      else if (receipts.isOutside(key)) continue;
      else if (underWay.has(key)) this.counts.underWay += 1;
      else if (this.#isBeforeReceipts(object)) this.counts.beforeReceipts += 1;
      else findings.add('unreceipted', key, `${object.objectBytes} bytes`);
    }
  }

  /** By the longest prefix that the key can have: the rest of it is its path. */
  #parse<T>(parse: (prefix: string, key: string) => T | null, key: string, { prefixes }: ListedIn): T | null {
    for (const prefix of prefixes.toReversed()) {
      const parsed = parse(prefix, key);
      if (parsed !== null) return parsed;
    }
    return null;
  }

  /** A chunk is of one destination, so no two objects of whatever route or bucket begin with one event. */
  #compareFirst(parsed: ParsedKey | null, key: string): void {
    if (parsed === null) return;
    const { firstEvent } = parsed;
    const receipted = this.#ports.receipts.keyOfFirst(firstEvent);
    const other = receipted ?? (this.#last.firstEvent === firstEvent ? this.#last.key : key);
    if (other !== key) this.#ports.findings.add('doubled', key, other);
    this.#last = { firstEvent, key };
  }

  #compare({ key, objectBytes, etag }: ListedObject, expected: Expected, at: LookedAt): Expected | null {
    const { findings, receipts } = this.#ports;
    if (expected.place !== null && expected.place !== at.place) {
      this.counts.copies += 1;
      return this.#ports.isLookedAt(expected.place) ? null : expected;
    }
    receipts.settle(key);
    const where = at.place === this.#options.place ? '' : ` in ${at.place}`;
    if (expected.objectBytes !== null && objectBytes !== expected.objectBytes) {
      findings.add('changed', key, `${objectBytes} bytes, not ${expected.objectBytes}${where}`);
    } else if (etag !== null && expected.etag !== '' && etag !== expected.etag) {
      findings.add('changed', key, `ETag ${etag}, not ${expected.etag}${where}`);
    } else {
      this.#agrees(expected, objectBytes, at);
    }
    return expected;
  }

  #agrees({ isQuarantine, count }: Expected, objectBytes: number, { place }: LookedAt): void {
    this.agreeing.set(place, (this.agreeing.get(place) ?? 0) + 1);
    if (isQuarantine) {
      this.counts.quarantineObjects += 1;
      this.counts.quarantineLines += count;
      return;
    }
    this.counts.objects += 1;
    this.counts.events += count;
    this.counts.objectBytes += objectBytes;
  }

  #isBeforeReceipts({ modifiedMs }: ListedObject): boolean {
    const { keptSinceMs } = this.#ports.receipts;
    return keptSinceMs !== null && modifiedMs <= keptSinceMs + HORIZON_MS;
  }

  async #keysUnderWay(): Promise<Set<string>> {
    const keys = new Set<string>();
    for (const lane of this.#ports.lanes) {
      for await (const ids of lane.records()) {
        for (const record of await Promise.all(ids.map((id) => lane.record(id)))) {
          if (record !== null && this.#unreceipted.has(record.key)) keys.add(record.key);
        }
      }
      // After the records: one may have become a spilled one in between, and never the other way round.
      for await (const spilled of lane.spilled()) {
        for (const { key } of spilled) if (this.#unreceipted.has(key)) keys.add(key);
      }
    }
    return keys;
  }
}

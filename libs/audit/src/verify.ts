import { parseManifestKey, parseObjectKey, parseRetryMarkerKey } from '@sink/domain';
import type { LaneView } from '@sink/lane';
import { type ListedObject, type ObjectReader, PROBE_NAME } from '@sink/objects';
import { Findings } from './findings.ts';
import { type LookedAt, type OpenBucket, whyUnreadable } from './places.ts';
import { ObjectsRead } from './read-objects.ts';
import { type Expected, Receipts } from './receipts.ts';
import { inRange, keyBounds, type TimeRange } from './time-range.ts';

export interface VerifyPorts {
  /** All lanes that the sink ever used. */
  readonly lanes: readonly LaneView[];
  /** Of the configured bucket. */
  readonly reader: ObjectReader;
  /** Opens further buckets, which receipts of version 2 name. The caller closes the readers. */
  readonly openBucket: OpenBucket;
  readonly signal: AbortSignal;
}

export interface VerifyOptions {
  readonly prefix: string;
  readonly quarantinePrefix: string;
  /** Whether there may be quarantine objects without a receipt. */
  readonly quarantines: boolean;
  /** Where the reader reads, as `placeOf` of libs/objects names it. */
  readonly place: string;
  readonly range: TimeRange;
  /** Also read the objects, to check their content and to find events that are stored twice. */
  readonly read: boolean;
}

export interface Verified {
  readonly findings: Findings;
  /** Objects that agree with their receipt, with their events and bytes according to it. */
  readonly objects: number;
  readonly events: number;
  readonly objectBytes: number;
  /** The same of quarantine objects, whose lines are evidence of what was refused. They are not among the others. */
  readonly quarantineObjects: number;
  readonly quarantineLines: number;
  /** What retries of quarantined events have left; not counted in a range of time. */
  readonly retryMarkers: number;
  /** Objects whose content was read. */
  readonly read: number;
  /** Objects in the bucket whose segment is not committed yet: they have no receipt yet. */
  readonly underWay: number;
  /** Objects older than the oldest receipt that is kept: the audit cannot judge them. */
  readonly beforeReceipts: number;
  /** Receipts are kept since this Unix time in milliseconds. Null: all of them are kept. */
  readonly keptSinceMs: number | null;
  /** Receipts of objects that were stored in other places, by place: they are not judged. */
  readonly elsewhere: Readonly<Record<string, number>>;
  /** Other buckets that receipts name and that were looked at too, with their objects that agree. */
  readonly otherBuckets: Readonly<Record<string, number>>;
  /** Why buckets that receipts name were not looked at, by place. */
  readonly unreadable: Readonly<Record<string, string>>;
  /** Objects here whose receipts name another place: copies, or PUTs without an answer before `bucket` was changed. */
  readonly copies: number;
  /** Receipts of earlier releases, which do not name a place, whose objects are not here. */
  readonly placeUnknown: number;
  /** Manifests of the sink, which contain no events. */
  readonly manifests: number;
  /** Objects of other sinks, of this sink with an earlier Redis, and of other programs. */
  readonly ofOthers: number;
  /** Events that were accepted and are not in the bucket yet, with those that are in spool files only. */
  readonly backlogEvents: number;
  readonly spilledEvents: number;
}

/**
 * Receipts are in the order of the commits, and the time of an object is that of the store's clock. So objects around
 * the oldest receipt are not judged.
 */
const HORIZON_MS = 10 * 60_000;
/** The number of objects that are read at the same time. */
const READERS = 8;

/**
 * Compares the receipts in Redis with the objects in the bucket, both ways, while the sink keeps running. The number of
 * receipts limits its memory, because it lists the objects a page at a time.
 *
 * @throws ObjectStoreError, ReceiptUnreadable, or the error of Redis: then nothing is known
 */
export async function verify(ports: VerifyPorts, options: VerifyOptions): Promise<Verified> {
  const findings = new Findings();
  const reading = options.read ? await ObjectsRead.open({ ...ports, findings }) : null;
  try {
    return await new Verification(ports, options, findings, reading).run();
  } finally {
    await reading?.close();
  }
}

class Verification {
  readonly #ports: VerifyPorts;
  readonly #options: VerifyOptions;
  readonly #findings: Findings;
  readonly #reading: ObjectsRead | null;
  readonly #receipts: Receipts;
  /** Objects of the sink's lanes for which no receipt was found yet. */
  readonly #unreceipted = new Map<string, { readonly object: ListedObject; readonly at: LookedAt }>();
  readonly #counts = {
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
  #uids = new Set<string | null>();
  /** Other places that are looked at, and how many objects there agree with their receipts. */
  readonly #others = new Map<string, number>();
  readonly #unreadable = new Map<string, string>();
  /** Where objects are looked at now. */
  #at: LookedAt;
  /** What is listed there, shortest first. */
  #prefixes: readonly string[] = [];
  /** Objects that begin with the same event are neighbours in a listing: their keys differ only in the hash. */
  #last = { firstEvent: '', key: '' };

  constructor(ports: VerifyPorts, options: VerifyOptions, findings: Findings, reading: ObjectsRead | null) {
    this.#ports = ports;
    this.#options = options;
    this.#findings = findings;
    this.#reading = reading;
    this.#at = { place: options.place, reader: ports.reader };
    this.#receipts = new Receipts(ports.lanes, options.range);
  }

  async run(): Promise<Verified> {
    const { lanes } = this.#ports;
    this.#uids = new Set(await Promise.all(lanes.map((lane) => lane.uid())));
    await this.#receipts.readOn();
    const { place, prefix, quarantinePrefix, quarantines } = this.#options;
    // A prefix may have been changed, and objects keep their keys.
    const unplaced = this.#receipts.places.get(null)?.prefixes ?? [];
    await this.#examinePlace(this.#at, [prefix, ...unplaced, ...(quarantines ? [quarantinePrefix] : [])]);
    for (const [other, { bucket }] of this.#receipts.places) {
      if (other !== null && other !== place && bucket !== null) await this.#examineOther(other, bucket);
    }
    for (const [key, { place: where }] of this.#receipts.left()) {
      if (where === place) this.#findings.add('missing', key, 'the bucket has no object with this key');
      else if (where === null) this.#counts.placeUnknown += 1;
      else if (this.#others.has(where)) this.#findings.add('missing', key, `${where} has no object with this key`);
    }
    await this.#settleUnreceipted();
    await this.#reading?.findRepeats();
    const sum = (backlogs: readonly { events: number }[]): number =>
      backlogs.reduce((total, { events }) => total + events, 0);
    // In this order: events move from Redis to spool files, and never back.
    const inRedis = sum(await Promise.all(lanes.map((lane) => lane.backlog())));
    const spilledEvents = sum(await Promise.all(lanes.map((lane) => lane.spilledBacklog())));
    return {
      ...this.#counts,
      findings: this.#findings,
      read: this.#reading?.count ?? 0,
      keptSinceMs: this.#receipts.keptSinceMs,
      elsewhere: Object.fromEntries(this.#elsewhere()),
      otherBuckets: Object.fromEntries(this.#others),
      unreadable: Object.fromEntries(this.#unreadable),
      backlogEvents: inRedis + spilledEvents,
      spilledEvents,
    };
  }

  /** Receipts of places that are not looked at. */
  *#elsewhere(): Generator<[place: string, objects: number]> {
    for (const [place, { objects }] of this.#receipts.places) {
      if (place !== null && place !== this.#options.place && !this.#others.has(place)) yield [place, objects];
    }
  }

  /** A bucket that receipts name is looked at if these credentials may: it may have been removed since. */
  async #examineOther(place: string, bucket: string): Promise<void> {
    const opened = this.#ports.openBucket(bucket);
    if (opened?.place !== place) return;
    this.#others.set(place, 0);
    try {
      await this.#examinePlace(opened, []);
    } catch (error) {
      const why = whyUnreadable(error);
      if (why === null) throw error;
      this.#others.delete(place);
      this.#unreadable.set(place, why);
    }
  }

  async #examinePlace(at: LookedAt, further: readonly string[]): Promise<void> {
    this.#at = at;
    this.#last = { firstEvent: '', key: '' };
    const ofReceipts = this.#receipts.places.get(at.place);
    const prefixes = new Set([...further, ...(ofReceipts?.prefixes ?? [])]);
    this.#prefixes = [...prefixes].sort((a, b) => a.length - b.length);
    for (const prefix of this.#prefixes) {
      const isBounded = ofReceipts?.withOtherPaths.has(prefix) !== true;
      await this.#examinePrefix(prefix, isBounded ? this.#options.range : {});
    }
  }

  async #examinePrefix(prefix: string, range: TimeRange): Promise<void> {
    const { signal } = this.#ports;
    const { reader } = this.#at;
    const bounds = keyBounds(prefix, range);
    for (let after = bounds.after; ;) {
      const page = await reader.list(prefix, after, signal);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.key;
      await this.#examinePage(prefix, page);
      if (bounds.before !== '' && after >= bounds.before) return;
    }
  }

  async #examinePage(prefix: string, page: readonly ListedObject[]): Promise<void> {
    const toRead: (() => Promise<void>)[] = [];
    for (const object of page) {
      const expected = this.#examine(prefix, object);
      const reading = this.#reading;
      if (expected === null || reading === null) continue;
      const { reader } = this.#at;
      const isQuarantine = this.#isQuarantine(object.key, expected);
      toRead.push(() => reading.read({ reader, key: object.key, isQuarantine }, expected));
    }
    const next = toRead.values();
    await Promise.all(
      Array.from({ length: READERS }, async () => {
        for (const read of next) await read();
      }),
    );
  }

  /** Returns null for an object of another program, a manifest, the probe of `check`, and an object outside the range. */
  #examine(prefix: string, object: ListedObject): Expected | undefined | null {
    const { range } = this.#options;
    const { key } = object;
    if (this.#listingOf(key) !== prefix) return null;
    if (key === `${prefix}${PROBE_NAME}`) return null;
    const { quarantinePrefix } = this.#options;
    if (parseRetryMarkerKey(quarantinePrefix, key) !== null) {
      // They are in no folder of a day.
      if (range.fromMs === undefined && range.toMs === undefined) this.#counts.retryMarkers += 1;
      return null;
    }
    const found = this.#receipts.of(key);
    const parsed = parseObjectKey(prefix, key) ?? parseObjectKey(quarantinePrefix, key);
    if (parsed !== null && !inRange(parsed.partition, range)) return null;
    const manifest =
      parsed === null ? (parseManifestKey(prefix, key) ?? parseManifestKey(quarantinePrefix, key)) : null;
    if (manifest !== null && this.#uids.has(manifest.laneUid)) {
      if (inRange(manifest.partition, range)) this.#counts.manifests += 1;
      return null;
    }
    // A path that is not a slot of time is only known by its receipt.
    if (found === undefined && (parsed === null || !this.#uids.has(parsed.laneUid))) {
      this.#counts.ofOthers += 1;
      return null;
    }
    if (parsed !== null && parsed.firstEvent === this.#last.firstEvent) {
      this.#findings.add('doubled', key, this.#last.key);
    }
    if (parsed !== null) this.#last = { firstEvent: parsed.firstEvent, key };
    if (found !== undefined) return this.#compare(object, found);
    if (this.#isBeforeReceipts(object)) this.#counts.beforeReceipts += 1;
    else this.#unreceipted.set(key, { object, at: this.#at });
    return undefined;
  }

  #isQuarantine(key: string, expected: Expected | undefined): boolean {
    return expected?.isQuarantine ?? parseObjectKey(this.#options.quarantinePrefix, key) !== null;
  }

  /** The prefix of which the listing counts an object, because with `a/` and `a/b/` both listings have it. */
  #listingOf(key: string): string | undefined {
    const isOwn = (prefix: string): boolean =>
      (parseObjectKey(prefix, key) ?? parseManifestKey(prefix, key)) !== null || key === `${prefix}${PROBE_NAME}`;
    if (this.#prefixes.length === 1) return this.#prefixes[0];
    const { prefix: said = null } = this.#receipts.of(key) ?? {};
    if (said !== null && this.#prefixes.includes(said)) return said;
    return this.#prefixes.find(isOwn) ?? this.#prefixes.find((prefix) => key.startsWith(prefix));
  }

  /** Returns what to read the object for; null: it is a copy, and the object itself is read. */
  #compare({ key, objectBytes, etag }: ListedObject, expected: Expected, at = this.#at): Expected | null {
    if (expected.place !== null && expected.place !== at.place) {
      this.#counts.copies += 1;
      return this.#isLookedAt(expected.place) ? null : expected;
    }
    this.#receipts.settle(key);
    const where = at.place === this.#options.place ? '' : ` in ${at.place}`;
    if (expected.objectBytes !== null && objectBytes !== expected.objectBytes) {
      this.#findings.add('changed', key, `${objectBytes} bytes, not ${expected.objectBytes}${where}`);
    } else if (etag !== null && expected.etag !== '' && etag !== expected.etag) {
      this.#findings.add('changed', key, `ETag ${etag}, not ${expected.etag}${where}`);
    } else {
      this.#agrees(expected, objectBytes, at);
    }
    return expected;
  }

  #isLookedAt(place: string): boolean {
    return place === this.#options.place || (this.#receipts.places.get(place)?.bucket ?? null) !== null;
  }

  #agrees({ isQuarantine, count }: Expected, objectBytes: number, { place }: LookedAt): void {
    const other = this.#others.get(place);
    if (other !== undefined) this.#others.set(place, other + 1);
    if (isQuarantine) {
      this.#counts.quarantineObjects += 1;
      this.#counts.quarantineLines += count;
      return;
    }
    this.#counts.objects += 1;
    this.#counts.events += count;
    this.#counts.objectBytes += objectBytes;
  }

  /** A commit moves a segment from the records to the receipts. Read in this order, one of them contains it. */
  async #settleUnreceipted(): Promise<void> {
    const underWay = this.#unreceipted.size > 0 ? await this.#keysUnderWay() : new Set<string>();
    await this.#receipts.readOn();
    for (const [key, { object, at }] of this.#unreceipted) {
      const expected = this.#receipts.of(key);
      if (expected !== undefined) this.#compare(object, expected, at);
      else if (underWay.has(key)) this.#counts.underWay += 1;
      else if (this.#isBeforeReceipts(object)) this.#counts.beforeReceipts += 1;
      else this.#findings.add('unreceipted', key, `${object.objectBytes} bytes`);
    }
  }

  #isBeforeReceipts({ modifiedMs }: ListedObject): boolean {
    const { keptSinceMs } = this.#receipts;
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

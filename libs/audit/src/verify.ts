import type { RouteRules } from '@sink/domain';
import type { LaneView } from '@sink/lane';
import type { ListedObject, ObjectReader } from '@sink/objects';
import { Examination, type ListedIn } from './examination.ts';
import { Findings } from './findings.ts';
import { type Listing, listingOf, listingsOf } from './listings.ts';
import { type LookedAt, type OpenBucket, whyUnreadable } from './places.ts';
import { ObjectsRead } from './read-objects.ts';
import { Receipts } from './receipts.ts';
import type { TimeRange } from './time-range.ts';
import type { Verified } from './verified.ts';

export interface VerifyPorts {
  /** All lanes that the sink ever used. */
  readonly lanes: readonly LaneView[];
  /** Of the configured bucket. */
  readonly reader: ObjectReader;
  /** Opens further buckets, which routes or receipts of version 2 name. The caller closes the readers. */
  readonly openBucket: OpenBucket;
  readonly signal: AbortSignal;
}

export interface VerifyOptions {
  readonly prefix: string;
  readonly quarantinePrefix: string;
  /** Whether there may be quarantine objects without a receipt. */
  readonly quarantines: boolean;
  /** Where routes store, beside the default one. */
  readonly routes?: readonly Pick<RouteRules, 'bucket' | 'prefix'>[];
  /** Where the reader reads, as `placeOf` of libs/objects names it. */
  readonly place: string;
  readonly range: TimeRange;
  /** Also read the objects, to check their content and to find events that are stored twice. */
  readonly read: boolean;
}

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
    const uids = new Set(await Promise.all(ports.lanes.map((lane) => lane.uid())));
    return await new Verification(ports, options, { findings, reading, uids }).run();
  } finally {
    await reading?.close();
  }
}

interface Parts {
  readonly findings: Findings;
  readonly reading: ObjectsRead | null;
  readonly uids: ReadonlySet<string | null>;
}

class Verification {
  readonly #ports: VerifyPorts;
  readonly #options: VerifyOptions;
  readonly #findings: Findings;
  readonly #reading: ObjectsRead | null;
  readonly #receipts: Receipts;
  readonly #examination: Examination;
  /** Other places that are looked at, and the prefixes of routes there. */
  readonly #others = new Map<string, { readonly at: LookedAt; readonly prefixes: string[] }>();
  readonly #unreadable = new Map<string, string>();
  readonly #ownPrefixes: string[] = [];

  constructor(ports: VerifyPorts, options: VerifyOptions, { findings, reading, uids }: Parts) {
    this.#ports = ports;
    this.#options = options;
    this.#findings = findings;
    this.#reading = reading;
    this.#receipts = new Receipts(ports.lanes, options.range);
    this.#examination = new Examination(
      { ...ports, receipts: this.#receipts, findings, uids, isLookedAt: (place) => this.#isLookedAt(place) },
      options,
    );
  }

  async run(): Promise<Verified> {
    const { lanes, reader } = this.#ports;
    const { place, prefix, quarantinePrefix, quarantines } = this.#options;
    await this.#receipts.readOn();
    this.#openOthers();
    // A prefix may have been changed, and objects keep their keys.
    const unplaced = this.#receipts.places.get(null)?.prefixes ?? [];
    const own = [prefix, ...this.#ownPrefixes, ...unplaced, ...(quarantines ? [quarantinePrefix] : [])];
    await this.#examinePlace({ place, reader }, own);
    for (const [other, { at, prefixes }] of this.#others) await this.#examineOther(other, at, prefixes);
    const { counts, agreeing } = this.#examination;
    for (const [key, { place: where }] of this.#receipts.left()) {
      if (where === place) this.#findings.add('missing', key, 'the bucket has no object with this key');
      else if (where === null) counts.placeUnknown += 1;
      else if (this.#others.has(where)) this.#findings.add('missing', key, `${where} has no object with this key`);
    }
    await this.#examination.settleUnreceipted();
    await this.#reading?.findRepeats();
    const sum = (backlogs: readonly { events: number }[]): number =>
      backlogs.reduce((total, { events }) => total + events, 0);
    // In this order: events move from Redis to spool files, and never back.
    const inRedis = sum(await Promise.all(lanes.map((lane) => lane.backlog())));
    const spilledEvents = sum(await Promise.all(lanes.map((lane) => lane.spilledBacklog())));
    return {
      ...counts,
      findings: this.#findings,
      read: this.#reading?.count ?? 0,
      keptSinceMs: this.#receipts.keptSinceMs,
      elsewhere: Object.fromEntries(this.#elsewhere()),
      otherBuckets: Object.fromEntries([...this.#others.keys()].map((other) => [other, agreeing.get(other) ?? 0])),
      unreadable: Object.fromEntries(this.#unreadable),
      backlogEvents: inRedis + spilledEvents,
      spilledEvents,
    };
  }

  /** Receipts of places that are not looked at. */
  *#elsewhere(): Generator<[place: string, objects: number]> {
    for (const [place, { objects }] of this.#receipts.places) {
      if (place !== null && !this.#isLookedAt(place)) yield [place, objects];
    }
  }

  #isLookedAt(place: string): boolean {
    return place === this.#options.place || this.#others.has(place);
  }

  /** Every bucket of routes and receipts, once. What a retired route stored is known by its receipts. */
  #openOthers(): void {
    for (const { bucket, prefix } of this.#options.routes ?? []) this.#openOther(bucket)?.push(prefix);
    for (const [place, { bucket }] of this.#receipts.places) {
      if (place !== null && !this.#isLookedAt(place) && bucket !== null) this.#openOther(bucket, place);
    }
  }

  /** Returns the prefixes of its routes. */
  #openOther(bucket: string, place?: string): string[] | undefined {
    const at = this.#ports.openBucket(bucket);
    if (at === null || (place !== undefined && at.place !== place)) return undefined;
    if (at.place === this.#options.place) return this.#ownPrefixes;
    const known = this.#others.get(at.place) ?? { at, prefixes: [] };
    this.#others.set(at.place, known);
    return known.prefixes;
  }

  /** Another bucket is looked at if these credentials may: it may have been removed since. */
  async #examineOther(place: string, at: LookedAt, prefixes: readonly string[]): Promise<void> {
    try {
      await this.#examinePlace(at, prefixes);
    } catch (error) {
      const why = whyUnreadable(error);
      if (why === null) throw error;
      this.#others.delete(place);
      this.#unreadable.set(place, why);
    }
  }

  async #examinePlace(at: LookedAt, further: readonly string[]): Promise<void> {
    const ofReceipts = this.#receipts.places.get(at.place);
    const prefixes = [...new Set([...further, ...(ofReceipts?.prefixes ?? [])])].sort((a, b) => a.length - b.length);
    const isBounded = (prefix: string): boolean => ofReceipts?.withOtherPaths.has(prefix) !== true;
    const listings = listingsOf(prefixes, this.#options.range, isBounded);
    for (const listing of listings) await this.#examineListing({ ...at, prefixes }, listing, listings);
  }

  async #examineListing(at: ListedIn, listing: Listing, listings: readonly Listing[]): Promise<void> {
    const { prefix, before } = listing;
    for (let { after } = listing; ;) {
      const page = await at.reader.list(prefix, after, this.#ports.signal);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.key;
      const own = page.filter(({ key }) => listingOf(listings, key) === listing);
      await this.#examinePage(at, own);
      if (before !== '' && after >= before) return;
    }
  }

  async #examinePage(at: ListedIn, page: readonly ListedObject[]): Promise<void> {
    const toRead: (() => Promise<void>)[] = [];
    for (const object of page) {
      const expected = this.#examination.examine(object, at);
      const reading = this.#reading;
      if (expected === null || reading === null) continue;
      const { key } = object;
      const isQuarantine = this.#examination.isQuarantine(key, expected);
      toRead.push(() => reading.read({ reader: at.reader, key, isQuarantine }, expected));
    }
    const next = toRead.values();
    await Promise.all(
      Array.from({ length: READERS }, async () => {
        for (const read of next) await read();
      }),
    );
  }
}

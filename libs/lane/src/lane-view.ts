import {
  parseReceipt,
  parseRecord,
  parseSpilledRecord,
  type Receipt,
  type SegmentRecord,
  type SpilledRecord,
} from '@sink/domain';
import { type LaneKeys, laneKeys, leaseKey, seenSlotKeys } from './keys.ts';
import type { RedisPort } from './port.ts';
import { asFields, asList, asText, parseEntry, type StreamEntry } from './reply.ts';
import { chunkPaths } from './steps/flush.ts';
import { oldestUnsealedMs } from './steps/oldest.ts';
import { LANE_VERSION, newerFormat } from './steps/open.ts';

/** Fields that one HSCAN looks at. */
const SCAN_PAGE = 100;
const RECEIPTS_PAGE = 500;

/** A sealed, uncommitted segment; `sealedAtMs` is null in a record that this release cannot read. */
export interface SealedEntry {
  readonly id: string;
  readonly sealedAtMs: number | null;
}

/** A record of a segment that waits for its upload, and its JSON as Redis has it. */
export interface StoredRecord {
  readonly record: SegmentRecord | SpilledRecord;
  readonly json: string;
}

/** A receipt and the id of its entry in the stream of receipts. */
export interface ReceiptEntry {
  readonly entryId: string;
  readonly receipt: Receipt;
  /** The number of the place where the object was stored (`LaneView.places`); null: stored before receipts had it. */
  readonly place: string | null;
}

/**
 * What any reader may ask of a lane: it changes nothing. The steps that change a lane are on the views by role
 * (`IngestLane`, `BatcherLane`, `UploaderLane`).
 */
export class LaneView {
  readonly number: number;
  readonly keys: LaneKeys;
  protected readonly redis: RedisPort;

  constructor(redis: RedisPort, sinkName: string, lane: number) {
    this.number = lane;
    this.keys = laneKeys(sinkName, lane);
    this.redis = redis;
  }

  /** The lane's uid, which is part of the keys of its objects; `null` for a lane that was never opened. */
  async uid(): Promise<string | null> {
    return asText(await this.redis.call('HGET', [this.keys.meta, 'uid']));
  }

  /** Why this release cannot use the lane, as one sentence; `null` if it can, or if the lane was never opened. */
  async unusable(): Promise<string | null> {
    const format = asText(await this.redis.call('HGET', [this.keys.meta, 'v']));
    if (format === null || format === LANE_VERSION) return null;
    return newerFormat(this.number, format);
  }

  /** The chunk with this id. */
  async entry(id: string): Promise<StreamEntry> {
    const [entry] = asList(await this.redis.callBuffer('XRANGE', [this.keys.chunks, id, id]));
    return entry === undefined ? { kind: 'deleted', id } : parseEntry(entry);
  }

  /** The id of the chunk that was appended last, even if that chunk is gone by now; `0-0` if there was none. */
  async lastAppended(): Promise<string> {
    // The answer shows the first and the last entry, with their bodies: as bytes, they cost no decoding.
    const info = asFields(await this.redis.callBuffer('XINFO', ['STREAM', this.keys.chunks]));
    return asText(info['last-generated-id']) ?? '0-0';
  }

  /** When the oldest chunk that is not wholly sealed was appended: Unix time in milliseconds by Redis' clock, or `null`. */
  oldestUnsealedMs(): Promise<number | null> {
    return oldestUnsealedMs(this.redis, this.keys);
  }

  async record(segmentId: string): Promise<SegmentRecord | null> {
    const json = await this.redis.call('HGET', [this.keys.records, segmentId]);
    return typeof json === 'string' ? parseRecord(json) : null;
  }

  async hasRecord(segmentId: string): Promise<boolean> {
    return Number(await this.redis.call('HEXISTS', [this.keys.records, segmentId])) === 1;
  }

  async spilledRecord(segmentId: string): Promise<SpilledRecord | null> {
    const json = await this.redis.call('HGET', [this.keys.spilled, segmentId]);
    return typeof json === 'string' ? parseSpilledRecord(json) : null;
  }

  /** Whether the segment waits for its upload, with its events in Redis or in a spool file. */
  async awaitsUpload(segmentId: string): Promise<boolean> {
    // In this order: a record can become a spilled record in between, but never the reverse.
    if (await this.hasRecord(segmentId)) return true;
    return Number(await this.redis.call('HEXISTS', [this.keys.spilled, segmentId])) === 1;
  }

  /** The record of a segment, spilled or not; null: there is none that this release can read. */
  async storedRecord(segmentId: string): Promise<StoredRecord | null> {
    const json = asText(await this.redis.call('HGET', [this.keys.records, segmentId]));
    if (json !== null) return storedRecord(json, parseRecord)[0] ?? null;
    const spilled = asText(await this.redis.call('HGET', [this.keys.spilled, segmentId]));
    return storedRecord(spilled, parseSpilledRecord)[0] ?? null;
  }

  /** The records of sealed and of spilled segments with their JSON, page by page; what this release cannot read is left out. */
  async *stored(): AsyncGenerator<readonly StoredRecord[], void, void> {
    for (const [key, parse] of [
      [this.keys.records, parseRecord],
      [this.keys.spilled, parseSpilledRecord],
    ] as const) {
      for await (const flat of this.#scan(key)) {
        yield flat.flatMap((value, index) => (index % 2 === 1 ? storedRecord(asText(value), parse) : []));
      }
    }
  }

  /** The ids of sealed, uncommitted segments, page by page. An id may come twice; a page may be empty. */
  async *records(): AsyncGenerator<readonly string[], void, void> {
    for await (const page of this.sealed()) yield page.map(({ id }) => id);
  }

  /** The same segments, with when they were sealed. */
  async *sealed(): AsyncGenerator<readonly SealedEntry[], void, void> {
    for await (const flat of this.#scan(this.keys.records)) {
      yield flat.flatMap((value, index) =>
        index % 2 === 0 ? [{ id: asText(value) ?? '', sealedAtMs: sealedAtMs(asText(flat[index + 1])) }] : [],
      );
    }
  }

  /** The records of spilled segments, page by page, as `records`; what this release cannot read is left out. */
  async *spilled(): AsyncGenerator<readonly SpilledRecord[], void, void> {
    for await (const flat of this.#scan(this.keys.spilled)) {
      yield flat.flatMap((value, index) => (index % 2 === 1 ? readableSpilled(asText(value)) : []));
    }
  }

  /** The same segments, also those whose record this release cannot read: their record is null. */
  async *spilledEntries(): AsyncGenerator<readonly { id: string; record: SpilledRecord | null }[], void, void> {
    for await (const flat of this.#scan(this.keys.spilled)) {
      yield flat.flatMap((value, index) =>
        index % 2 === 0
          ? [{ id: asText(value) ?? '', record: readableSpilled(asText(flat[index + 1]))[0] ?? null }]
          : [],
      );
    }
  }

  /** The ids of all chunks with events that are not in S3 yet, but for spilled ones; as `records`. */
  async *leftIds(): AsyncGenerator<readonly string[], void, void> {
    for await (const flat of this.#scan(this.keys.left)) {
      yield flat.flatMap((value, index) => (index % 2 === 0 ? [asText(value) ?? ''] : []));
    }
  }

  /** Of each chunk, how many of its events are not in S3 yet, and how many are in no sealed segment. */
  async leftOf(ids: readonly string[]): Promise<{ left: number; unsealed: number }[]> {
    if (ids.length === 0) return [];
    const [left, taken] = await Promise.all([
      this.redis.call('HMGET', [this.keys.left, ...ids]).then(asList),
      this.redis.call('HMGET', [this.keys.taken, ...ids]).then(asList),
    ]);
    return ids.map((_, index) => {
      const [, sealed = 0, count = 0] = (/^(\d+)\/(\d+)$/.exec(asText(taken[index]) ?? '') ?? []).map(Number);
      return { left: Number(/^\d+/.exec(asText(left[index]) ?? '')?.[0] ?? 0), unsealed: count - sealed };
    });
  }

  /** Of each chunk, its path; '' for one that is gone. */
  pathsOf(ids: readonly string[]): Promise<string[]> {
    return chunkPaths(this.redis, this.keys, ids);
  }

  /** All fields and values of a hash, in flat lists. */
  async *#scan(key: string): AsyncGenerator<readonly unknown[], void, void> {
    let cursor = '0';
    do {
      const [next, flat] = asList(await this.redis.call('HSCAN', [key, cursor, 'COUNT', SCAN_PAGE]));
      yield asList(flat);
      cursor = asText(next) ?? '0';
    } while (cursor !== '0');
  }

  /**
   * The receipts after the entry `after` ('': from the oldest that is kept), oldest first, page by page.
   * @throws ReceiptUnreadable
   */
  async *receipts(after = ''): AsyncGenerator<readonly ReceiptEntry[], void, void> {
    for (let last = after; ;) {
      const start = last === '' ? '-' : `(${last}`;
      const entries = asList(await this.redis.call('XRANGE', [this.keys.receipts, start, '+', 'COUNT', RECEIPTS_PAGE]));
      const page = entries.map(receiptEntry);
      const end = page.at(-1);
      if (end === undefined) return;
      yield page;
      last = end.entryId;
    }
  }

  /**
   * The receipts of the objects that were stored last, newest first.
   * @throws ReceiptUnreadable
   */
  async newestReceipts(count: number): Promise<readonly ReceiptEntry[]> {
    return asList(await this.redis.call('XREVRANGE', [this.keys.receipts, '+', '-', 'COUNT', count])).map(receiptEntry);
  }

  /** The places where objects of the lane were stored, with the numbers that receipts have of them. */
  async places(): Promise<ReadonlyMap<string, string>> {
    const numbers = Object.entries(asFields(await this.redis.call('HGETALL', [this.keys.places])));
    return new Map(numbers.map(([place, number]) => [asText(number) ?? '', place]));
  }

  /** Whether receipts were dropped because there were more than are kept. */
  async receiptsDropped(): Promise<boolean> {
    if (Number(await this.redis.call('EXISTS', [this.keys.receipts])) === 0) return false;
    const info = asFields(await this.redis.call('XINFO', ['STREAM', this.keys.receipts]));
    return Number(info['entries-added']) > Number(info['length']);
  }

  /** What the lane holds in Redis: events and memory in bytes, sealed segments, and receipts. */
  async backlog(): Promise<{ events: number; bytes: number; segments: number; receipts: number }> {
    const [values, segments, receipts] = await Promise.all([
      this.redis.call('HMGET', [this.keys.backlog, 'events', 'bytes']),
      this.redis.call('HLEN', [this.keys.records]),
      this.redis.call('XLEN', [this.keys.receipts]),
    ]);
    const [events, bytes] = asList(values).map(Number);
    return { events: events ?? 0, bytes: bytes ?? 0, segments: Number(segments), receipts: Number(receipts) };
  }

  /** The backlog's bytes in Redis, which its limit counts. */
  async backlogBytes(): Promise<number> {
    return Number((await this.redis.call('HGET', [this.keys.backlog, 'bytes'])) ?? 0);
  }

  /** What is stored in spool files only; bytes are uncompressed content. */
  async spilledBacklog(): Promise<{ events: number; bytes: number; segments: number }> {
    const [values, segments] = await Promise.all([
      this.redis.call('HMGET', [this.keys.backlog, 'spilledEvents', 'spilledBytes']),
      this.redis.call('HLEN', [this.keys.spilled]),
    ]);
    const [events, bytes] = asList(values).map(Number);
    return { events: events ?? 0, bytes: bytes ?? 0, segments: Number(segments) };
  }

  /** Fingerprints remembered now, and how often a part of the dedupe window was forgotten early for want of room. */
  async remembered(): Promise<{ fingerprints: number; early: number }> {
    const [early, ...counts] = await Promise.all([
      this.redis.call('HGET', [this.keys.seen, 'early']),
      ...seenSlotKeys(this.keys).map((key) => this.redis.call('SCARD', [key])),
    ]);
    return { fingerprints: counts.reduce<number>((sum, count) => sum + Number(count), 0), early: Number(early ?? 0) };
  }

  /** Whether the consumer, or the spool directory, has a process that is alive. */
  async leaseExists(consumer: string): Promise<boolean> {
    return Number(await this.redis.call('EXISTS', [leaseKey(this.keys, consumer)])) === 1;
  }
}

/** Found in the text of a record: its slices, which may be thousands, are not parsed for it. */
function sealedAtMs(record: string | null): number | null {
  const found = /"sealedAtMs":(\d+)/.exec(record ?? '')?.[1];
  return found === undefined ? null : Number(found);
}

function readableSpilled(json: string | null): SpilledRecord[] {
  try {
    return json === null ? [] : [parseSpilledRecord(json)];
  } catch {
    return [];
  }
}

function receiptEntry(entry: unknown): ReceiptEntry {
  const [entryId, given] = asList(entry);
  const fields = asFields(given);
  return {
    entryId: asText(entryId) ?? '',
    receipt: parseReceipt(asText(fields['r']) ?? ''),
    place: asText(fields['p']),
  };
}

function storedRecord(json: string | null, parse: (json: string) => StoredRecord['record']): StoredRecord[] {
  if (json === null) return [];
  try {
    return [{ record: parse(json), json }];
  } catch {
    return [];
  }
}

import {
  parseReceipt,
  parseRecord,
  parseSpilledRecord,
  type Receipt,
  type SegmentRecord,
  type SpilledRecord,
  spilledRecord,
  UNLISTED_MAX,
} from '@sink/domain';
import { chunkCostBytes, RECORD_OVERHEAD_BYTES } from './cost.ts';
import { GROUP, type LaneKeys, laneKeys, leaseKey, manifestKeys, seenSlotKeys } from './keys.ts';
import { type Argument, RedisRefused, type RedisPort, UnexpectedAnswer } from './port.ts';
import { asFields, asInteger, asList, asText, entriesRead, parseEntry, type StreamEntry } from './reply.ts';
import { append, appendOnce } from './scripts/append.ts';
import { barrier } from './scripts/barrier.ts';
import { claim } from './scripts/claim.ts';
import { commit } from './scripts/commit.ts';
import { takeLease } from './scripts/lease.ts';
import { leave } from './scripts/leave.ts';
import { SLOTS } from './scripts/dedupe.ts';
import { oldestUnsealed } from './scripts/oldest.ts';
import { open } from './scripts/open.ts';
import { adopt, release } from './scripts/release.ts';
import { scrub } from './scripts/scrub.ts';
import { seal } from './scripts/seal.ts';
import { registerWriter, retireWriters } from './scripts/writer.ts';

const LANE_VERSION = '1';
/** Chunks a claim takes over, or a scrub or retirement looks at, in one script: bounds the time Redis is blocked. */
const PAGE = 100;
const RECEIPTS_PAGE = 500;

export interface AppendRequest {
  readonly writer: string;
  readonly sequence: number;
  readonly partition: string;
  readonly count: number;
  /** NDJSON; every line ends in LF. */
  readonly body: string | Buffer;
  readonly bytes: number;
  /** Bytes that must fit beside this chunk for the requests that go on in the next ones. */
  readonly furtherBytes: number;
  readonly acceptedAtMs: number;
  readonly backlogBytesMax: number;
}
/** What an append needs to drop what was stored before. */
export interface Dedupe {
  /** Of each event in the body, in order: FINGERPRINT_BYTES bytes of a hash over what makes it the same event. */
  readonly fingerprints: Buffer;
  /** Bytes of each line, with its LF. */
  readonly lineBytes: readonly number[];
  /** How long an event is remembered, by Redis' clock, in milliseconds; up to a quarter longer. */
  readonly windowMs: number;
  /** Fingerprints the lane remembers, about; with more, the oldest quarter of the window goes early. */
  readonly fingerprintsMax: number;
}
export interface AppendOnceAnswer {
  readonly answer: AppendAnswer;
  /** Events that were stored before, and dropped. */
  readonly duplicates: number;
}
export type AppendAnswer = 'stored' | 'full' | 'stale' | 'unknown_writer';
export type SealAnswer = { readonly kind: 'sealed' } | { readonly kind: 'refused'; readonly chunks: readonly string[] };
export type CommitAnswer = 'committed' | 'gone';
/** `gone`: committed before; `elsewhere`: another spool directory holds it. */
export type ReleaseAnswer = 'released' | 'gone' | 'elsewhere';
/** `known`: there is a record; `superfluous`: its events stand elsewhere. */
export type AdoptAnswer = 'adopted' | 'known' | 'superfluous';

/** An answer asked for durability that was not reached in time; the write itself was answered. */
export interface Durability {
  /** Ask for the fsync of the append-only file with WAITAOF (Redis ≥ 7.2). */
  readonly waitaof: boolean;
  /** Replicas that must have it too. */
  readonly replicas: number;
  readonly timeoutMs: number;
}

/** The steps that change one lane (docs/protocol.md, part 3), and what is read beside them. Nothing else changes a lane. */
export class Lane {
  readonly number: number;
  readonly keys: LaneKeys;
  readonly #redis: RedisPort;

  constructor(redis: RedisPort, sinkName: string, lane: number) {
    this.number = lane;
    this.keys = laneKeys(sinkName, lane);
    this.#redis = redis;
  }

  /** Makes what the lane needs in Redis, and returns its uid. `uid` is used if it has none yet. */
  async open(uid: string): Promise<string> {
    const [kind, value] = asList(
      await this.#redis.run(open, [this.keys.chunks, this.keys.meta], [GROUP, uid, LANE_VERSION]),
    );
    if (kind === 'open' && typeof value === 'string') return value;
    if (kind === 'version')
      throw new RedisRefused(`opening lane ${this.number}`, `NEWER ${newerFormat(this.number, asText(value) ?? '')}`);
    throw new UnexpectedAnswer(`opening lane ${this.number}`, [kind, value]);
  }

  async registerWriter(): Promise<string> {
    const writer = await this.#redis.run(registerWriter, [this.keys.meta, this.keys.writers], []);
    if (typeof writer !== 'string') throw new UnexpectedAnswer('registering a writer', writer);
    return writer;
  }

  async forgetWriter(writer: string): Promise<void> {
    await this.#redis.call('HDEL', [this.keys.writers, writer]);
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    const { chunks, taken, left, writers, backlog } = this.keys;
    const keys = [chunks, taken, left, writers, backlog];
    return appendAnswer(await this.#redis.run(append, keys, appendArguments(request))).answer;
  }

  /** As append, less the events that were stored within the window; all of them dropped is `stored` too. */
  async appendOnce(request: AppendRequest, dedupe: Dedupe): Promise<AppendOnceAnswer> {
    const { chunks, taken, left, writers, backlog, seen } = this.keys;
    const { fingerprints, lineBytes, windowMs, fingerprintsMax } = dedupe;
    return appendAnswer(
      await this.#redis.run(
        appendOnce,
        [chunks, taken, left, writers, backlog, seen, ...seenSlotKeys(this.keys)],
        [
          ...appendArguments(request),
          fingerprints,
          JSON.stringify(lineBytes),
          windowMs,
          Math.ceil(fingerprintsMax / SLOTS),
        ],
      ),
    );
  }

  /** Fingerprints remembered now, and how often a part of the window went early because there were too many. */
  async remembered(): Promise<{ fingerprints: number; early: number }> {
    const [early, ...counts] = await Promise.all([
      this.#redis.call('HGET', [this.keys.seen, 'early']),
      ...seenSlotKeys(this.keys).map((key) => this.#redis.call('SCARD', [key])),
    ]);
    return { fingerprints: counts.reduce<number>((sum, count) => sum + Number(count), 0), early: Number(early ?? 0) };
  }

  /** Whether all this connection wrote so far is as durable as asked for. To be called after the write's answer. */
  async reached(durability: Durability): Promise<boolean> {
    const { waitaof, replicas, timeoutMs } = durability;
    if (waitaof) {
      const [local, remote] = asList(await this.#redis.call('WAITAOF', [1, replicas, timeoutMs], this.keys.chunks));
      return Number(local) >= 1 && Number(remote) >= replicas;
    }
    if (replicas === 0) return true;
    return Number(await this.#redis.call('WAIT', [replicas, timeoutMs], this.keys.chunks)) >= replicas;
  }

  /**
   * Whether everything that stands in the lane now, whoever wrote it, is as durable as asked for: a write of our own that
   * got so far says it of all writes before it.
   */
  async reachedAfterWrite(durability: Durability): Promise<boolean> {
    if (!durability.waitaof && durability.replicas === 0) return true;
    await this.#redis.run(barrier, [this.keys.meta], []);
    return this.reached(durability);
  }

  async seal(record: SegmentRecord, json: string): Promise<SealAnswer> {
    const { chunks, taken, records, backlog } = this.keys;
    const answer = asList(
      await this.#redis.run(seal, [chunks, taken, records, backlog], [record.id, json, GROUP, RECORD_OVERHEAD_BYTES]),
    );
    if (answer[0] === 'sealed') return { kind: 'sealed' };
    if (answer[0] === 'refused') return { kind: 'refused', chunks: answer.slice(1).map((id) => asText(id) ?? '') };
    throw new UnexpectedAnswer('sealing a segment', answer);
  }

  /** @param listIn the partition whose manifest has to list the object; absent: none has to */
  async commit(receipt: Receipt, receiptsMax: number, listIn?: string): Promise<CommitAnswer> {
    const { chunks, taken, left, records, spilled, backlog, receipts, unlisted } = this.keys;
    const answer = await this.#redis.run(
      commit,
      [
        ...[chunks, taken, left, records, spilled, backlog, receipts],
        ...(listIn === undefined ? [] : [unlisted, manifestKeys(this.keys, listIn).ofPartition]),
      ],
      [
        ...[receipt.id, JSON.stringify(receipt), receiptsMax, RECORD_OVERHEAD_BYTES],
        ...(listIn === undefined ? [] : [listIn, UNLISTED_MAX]),
      ],
    );
    if (answer === 'committed' || answer === 'gone') return answer;
    throw new UnexpectedAnswer(`committing segment ${receipt.id}`, answer);
  }

  /**
   * Takes the segment's chunks out of Redis: its file, in the spool directory with this id, is the only copy from here on.
   * Only for a file that is durable, was verified, and is marked.
   */
  async release(record: SegmentRecord, spoolId: string): Promise<ReleaseAnswer> {
    const { chunks, taken, left, records, spilled, backlog } = this.keys;
    const answer = await this.#redis.run(
      release,
      [chunks, taken, left, records, spilled, backlog],
      [record.id, JSON.stringify(spilledRecord(record, spoolId))],
    );
    if (answer === 'released' || answer === 'gone' || answer === 'elsewhere') return answer;
    throw new UnexpectedAnswer(`releasing segment ${record.id}`, answer);
  }

  /** Gives a marked spool file that Redis knows nothing of its spilled record again, where it is the only copy. */
  async adopt(record: SegmentRecord, spoolId: string): Promise<AdoptAnswer> {
    const { left, records, spilled, backlog } = this.keys;
    const answer = await this.#redis.run(
      adopt,
      [left, records, spilled, backlog],
      [
        record.id,
        JSON.stringify(spilledRecord(record, spoolId)),
        RECORD_OVERHEAD_BYTES,
        record.count,
        record.bytes,
        ...record.slices.map(([chunk]) => chunk),
      ],
    );
    if (answer === 'adopted' || answer === 'known' || answer === 'superfluous') return answer;
    throw new UnexpectedAnswer(`adopting segment ${record.id}`, answer);
  }

  async record(segmentId: string): Promise<SegmentRecord | null> {
    const json = await this.#redis.call('HGET', [this.keys.records, segmentId]);
    return typeof json === 'string' ? parseRecord(json) : null;
  }

  async hasRecord(segmentId: string): Promise<boolean> {
    return Number(await this.#redis.call('HEXISTS', [this.keys.records, segmentId])) === 1;
  }

  async spilledRecord(segmentId: string): Promise<SpilledRecord | null> {
    const json = await this.#redis.call('HGET', [this.keys.spilled, segmentId]);
    return typeof json === 'string' ? parseSpilledRecord(json) : null;
  }

  /** Whether the segment waits for its upload, wherever its events stand. */
  async awaitsUpload(segmentId: string): Promise<boolean> {
    // In this order: a record may become a spilled one in between, and never the other way round.
    if (await this.hasRecord(segmentId)) return true;
    return Number(await this.#redis.call('HEXISTS', [this.keys.spilled, segmentId])) === 1;
  }

  /**
   * A page of receipts after the stream entry `after` ('' from the oldest that is kept), oldest first; none at the end.
   * @throws ReceiptUnreadable
   */
  async receipts(after: string): Promise<{ entryId: string; receipt: Receipt }[]> {
    const start = after === '' ? '-' : `(${after}`;
    const page = asList(await this.#redis.call('XRANGE', [this.keys.receipts, start, '+', 'COUNT', RECEIPTS_PAGE]));
    return page.map((entry) => {
      const [entryId, fields] = asList(entry);
      return { entryId: asText(entryId) ?? '', receipt: parseReceipt(asText(asFields(fields)['r']) ?? '') };
    });
  }

  /** Whether receipts were dropped because there were more than are kept. */
  async receiptsDropped(): Promise<boolean> {
    if (Number(await this.#redis.call('EXISTS', [this.keys.receipts])) === 0) return false;
    const info = asFields(await this.#redis.call('XINFO', ['STREAM', this.keys.receipts]));
    return Number(info['entries-added']) > Number(info['length']);
  }

  /** Why this release can not use the lane, in a sentence; `null` when it can, or nobody opened the lane yet. */
  async unusable(): Promise<string | null> {
    const format = asText(await this.#redis.call('HGET', [this.keys.meta, 'v']));
    if (format === null || format === LANE_VERSION) return null;
    return newerFormat(this.number, format);
  }

  /** The lane's uid, which stands in the keys of its objects; `null` for a lane that was never opened. */
  async uid(): Promise<string | null> {
    return asText(await this.#redis.call('HGET', [this.keys.meta, 'uid']));
  }

  /** A page of the ids of sealed, uncommitted segments; the cursor is '0' at the end. An id may come twice. */
  async recordIds(cursor: string): Promise<{ cursor: string; ids: string[] }> {
    const [next, flat] = asList(await this.#redis.call('HSCAN', [this.keys.records, cursor, 'COUNT', PAGE]));
    const ids = asList(flat).flatMap((value, index) => (index % 2 === 0 ? [asText(value) ?? ''] : []));
    return { cursor: asText(next) ?? '0', ids };
  }

  /** The same for spilled segments, with the spool directories that hold them; what is not readable is left out. */
  async spilledPage(cursor: string): Promise<{ cursor: string; spilled: SpilledRecord[] }> {
    const [next, flat] = asList(await this.#redis.call('HSCAN', [this.keys.spilled, cursor, 'COUNT', PAGE]));
    const spilled = asList(flat).flatMap((value, index) => (index % 2 === 1 ? readableSpilled(asText(value)) : []));
    return { cursor: asText(next) ?? '0', spilled };
  }

  async takeLease(consumer: string, ttlMs: number): Promise<'taken' | 'held'> {
    const answer = await this.#redis.run(takeLease, [leaseKey(this.keys, consumer)], [consumer, ttlMs]);
    return answer === 'taken' ? 'taken' : 'held';
  }

  /** False once the lease is gone: then somebody else may have taken over. */
  async renewLease(consumer: string, ttlMs: number): Promise<boolean> {
    return Number(await this.#redis.call('PEXPIRE', [leaseKey(this.keys, consumer), ttlMs])) === 1;
  }

  /** Gives the lease back, and takes the consumer out of the group if nothing is pending with it. */
  async leave(consumer: string): Promise<void> {
    await this.#redis.run(leave, [this.keys.chunks, leaseKey(this.keys, consumer)], [GROUP, consumer]);
  }

  async leaseExists(consumer: string): Promise<boolean> {
    return Number(await this.#redis.call('EXISTS', [leaseKey(this.keys, consumer)])) === 1;
  }

  /** Takes over a page of what a batcher without lease left pending; `more` until nothing is. */
  async claim(dead: string, consumer: string): Promise<{ kind: 'alive' | 'more' | 'removed'; chunks: number }> {
    const answer = asList(
      await this.#redis.run(claim, [this.keys.chunks, leaseKey(this.keys, dead)], [GROUP, dead, consumer, PAGE]),
    );
    const [kind, chunks] = answer;
    if (kind !== 'alive' && kind !== 'more' && kind !== 'removed') throw new UnexpectedAnswer('claiming', answer);
    return { kind, chunks: Number(chunks) };
  }

  async scrub(consumer: string, cursor: string): Promise<{ cursor: string; restored: number }> {
    const [next, restored] = asList(
      await this.#redis.run(scrub, [this.keys.chunks, this.keys.taken], [GROUP, consumer, cursor, PAGE]),
    );
    return { cursor: asText(next) ?? '0', restored: Number(restored) };
  }

  async retireWriters(cursor: string, idleMs: number): Promise<{ cursor: string; retired: number }> {
    const [next, retired] = asList(await this.#redis.run(retireWriters, [this.keys.writers], [cursor, idleMs, PAGE]));
    return { cursor: asText(next) ?? '0', retired: Number(retired) };
  }

  /** Names of all batchers the group knows, dead ones among them. */
  async consumers(): Promise<string[]> {
    const consumers = asList(await this.#redis.call('XINFO', ['CONSUMERS', this.keys.chunks, GROUP]));
    return consumers.map((info) => asText(asFields(info)['name']) ?? '');
  }

  /** Chunks never delivered to anybody yet, at most `count`; waits up to `blockMs` for the first (0: not at all). */
  async read(consumer: string, count: number, blockMs: number): Promise<StreamEntry[]> {
    const block = blockMs > 0 ? ['BLOCK', blockMs] : [];
    const args = ['GROUP', GROUP, consumer, 'COUNT', count, ...block, 'STREAMS', this.keys.chunks, '>'];
    const reply = await this.#redis.callBuffer('XREADGROUP', args);
    return entriesRead(reply).map(parseEntry);
  }

  /** Ids of a page of the consumer's pending list after `after` ('' from its beginning). */
  async pending(consumer: string, after: string): Promise<string[]> {
    const start = after === '' ? '-' : `(${after}`;
    const page = asList(await this.#redis.call('XPENDING', [this.keys.chunks, GROUP, start, '+', PAGE, consumer]));
    return page.map((entry) => asText(asList(entry)[0]) ?? '');
  }

  /** The id of the chunk that was appended last, if it is gone by now too; `0-0` when there was none. */
  async lastAppended(): Promise<string> {
    // The answer shows the first and the last entry, with their bodies: as bytes, they cost no decoding.
    const info = asFields(await this.#redis.callBuffer('XINFO', ['STREAM', this.keys.chunks]));
    return asText(info['last-generated-id']) ?? '0-0';
  }

  async entry(id: string): Promise<StreamEntry> {
    const [entry] = asList(await this.#redis.callBuffer('XRANGE', [this.keys.chunks, id, id]));
    return entry === undefined ? { kind: 'deleted', id } : parseEntry(entry);
  }

  /** Events of each chunk that stand in sealed segments; `null` when the chunk has no counter: it is gone, or not ours. */
  async taken(ids: readonly string[]): Promise<(number | null)[]> {
    if (ids.length === 0) return [];
    const values = asList(await this.#redis.call('HMGET', [this.keys.taken, ...ids]));
    return values.map((value) => asInteger(/^(\d+)\/\d+$/.exec(asText(value) ?? '')?.[1]));
  }

  async acknowledge(id: string): Promise<void> {
    await this.#redis.call('XACK', [this.keys.chunks, GROUP, id]);
  }

  /** Unix time in milliseconds, by Redis' clock, of the append of the oldest chunk not wholly sealed; `null` if there is none. */
  async oldestUnsealedMs(): Promise<number | null> {
    const id = asText(await this.#redis.run(oldestUnsealed, [this.keys.chunks], [GROUP]));
    return id === null ? null : Number(id.split('-', 1)[0]);
  }

  async backlog(): Promise<{ events: number; bytes: number; segments: number; receipts: number }> {
    const [values, segments, receipts] = await Promise.all([
      this.#redis.call('HMGET', [this.keys.backlog, 'events', 'bytes']),
      this.#redis.call('HLEN', [this.keys.records]),
      this.#redis.call('XLEN', [this.keys.receipts]),
    ]);
    const [events, bytes] = asList(values).map(Number);
    return { events: events ?? 0, bytes: bytes ?? 0, segments: Number(segments), receipts: Number(receipts) };
  }

  /** What stands in spool files alone; bytes are uncompressed content. */
  async spilledBacklog(): Promise<{ events: number; bytes: number; segments: number }> {
    const [values, segments] = await Promise.all([
      this.#redis.call('HMGET', [this.keys.backlog, 'spilledEvents', 'spilledBytes']),
      this.#redis.call('HLEN', [this.keys.spilled]),
    ]);
    const [events, bytes] = asList(values).map(Number);
    return { events: events ?? 0, bytes: bytes ?? 0, segments: Number(segments) };
  }
}

function readableSpilled(json: string | null): SpilledRecord[] {
  try {
    return json === null ? [] : [parseSpilledRecord(json)];
  } catch {
    return [];
  }
}

function newerFormat(lane: number, format: string): string {
  return `lane ${lane} has format ${format}: a newer release wrote it; upgrade`;
}

function appendArguments(request: AppendRequest): Argument[] {
  const cost = chunkCostBytes(request.bytes);
  const furtherCost = request.furtherBytes > 0 ? chunkCostBytes(request.furtherBytes) : 0;
  return [
    request.writer,
    request.sequence,
    request.partition,
    request.count,
    cost,
    cost + furtherCost,
    request.backlogBytesMax,
    request.acceptedAtMs,
    request.body,
  ];
}

function appendAnswer(reply: unknown): AppendOnceAnswer {
  switch (reply) {
    case 'stored':
    case 'full':
    case 'stale':
    case 'unknown_writer':
      return { answer: reply, duplicates: 0 };
  }
  const duplicates = asInteger(/^stored(\d+)$/.exec(asText(reply) ?? '')?.[1]);
  if (duplicates === null) throw new UnexpectedAnswer('appending a chunk', reply);
  return { answer: 'stored', duplicates };
}

/** Throws for a durability that was asked for and not reached; used where the caller retries the whole step. */
export function assertReached(reached: boolean, action: string): void {
  if (!reached) throw new RedisRefused(action, 'NOTDURABLE the durability asked for was not reached in time');
}

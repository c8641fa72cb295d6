import {
  DEFAULT_ROUTE,
  isOlderChunk,
  type Manifest,
  parseReceipt,
  parseRecord,
  QUARANTINE_ROUTE,
  type Receipt,
} from '@sink/domain';
import { GROUP, type LaneKeys, type RedisPort } from '@sink/lane';
import type { WorldParts } from './actors.ts';
import { LEFTOVERS, SEALED } from './looks.ts';
import type { Bucket } from './ports.ts';

/** A violation that must not show a mutation, because then its edit broke a script and not a rule. */
export const NOT_COMPILED = 'a script that is no Lua';

/** `nothing_lost`: every write that counts had reached the replica. */
export type FailoverLoss = 'nothing_lost' | 'writes_lost';

/** Where an event is to be stored. */
export interface Place {
  readonly route: typeof DEFAULT_ROUTE | typeof QUARANTINE_ROUTE;
  /** Null: the slot of the time of acceptance. */
  readonly path: string | null;
}

export const DEFAULT_PLACE: Place = { route: DEFAULT_ROUTE, path: null };
export const FREE_PLACES: readonly Place[] = ['free/a', 'free/b=%2F'].map((path) => ({ route: DEFAULT_ROUTE, path }));
export const QUARANTINE: Place = { route: QUARANTINE_ROUTE, path: null };

/** How keys of a place begin. */
function beginningOf({ route, path }: Place): string {
  return `${route === QUARANTINE_ROUTE ? 'quarantine/' : ''}${path ?? '2026/'}`;
}

/** One request, as it was sent: it fits one append. */
export interface Sent {
  /** Events with ids that are looked up; they are in each repetition of the request. */
  readonly events: readonly string[];
  /** Lines that are stored whatever they are; each repetition has its own. */
  readonly evidence: readonly string[];
}

/** Knows every submitted event, those that were acknowledged, and what must be true at the end. */
export class Oracle {
  readonly violations: string[] = [];
  /** What the failovers of each sink may have lost. */
  readonly #failovers = new Map<string, FailoverLoss>();
  /** The sink to which each event was submitted, and where it belongs. */
  readonly #sinks = new Map<string, string>();
  readonly #places = new Map<string, Place>();
  readonly #sent: Sent[] = [];
  readonly #acknowledged = new Set<string>();

  get events(): number {
    return this.#sinks.size;
  }

  newEvent(sinkName: string, place: Place = DEFAULT_PLACE): string {
    const line = `"${place === QUARANTINE ? 'evidence' : 'event'}-${this.#sinks.size}"`;
    this.#sinks.set(line, sinkName);
    this.#places.set(line, place);
    return line;
  }

  placeOf(line: string): Place {
    return this.#places.get(line) ?? DEFAULT_PLACE;
  }

  /** A request was sent, the first time or again. */
  sent(request: Sent): void {
    this.#sent.push(request);
  }

  /**
   * The failover of a sink loses deliveries: a chunk that was sealed from memory is delivered again, only to be
   * acknowledged. With `writes_lost` it loses seals too, and so events of the sink may be stored twice.
   */
  failOver(sinkName: string, loss: FailoverLoss): void {
    this.#failovers.set(sinkName, loss);
  }

  acknowledge(lines: readonly string[]): void {
    for (const line of lines) this.#acknowledged.add(line);
  }

  violate(violation: string): void {
    if (!this.violations.includes(violation)) this.violations.push(violation);
  }

  /**
   * Must be true at every moment: invariant 1, that only chunks that are not wholly sealed are pending, and that a segment
   * has its chunks in the order of the lane.
   */
  async checkAlways(redis: RedisPort, keys: LaneKeys, { sinkName, bucket }: WorldParts): Promise<void> {
    const answer = await redis.run(SEALED, [keys.chunks, keys.taken, keys.records], [GROUP]);
    const [sealedAndPending, values] = Array.isArray(answer) ? (answer as unknown[]) : [];
    if (Number(sealedAndPending) > 0 && !this.#failovers.has(sinkName)) this.violate('pending although wholly sealed');
    const seen = new Set<string>();
    for (const value of Array.isArray(values) ? values : []) {
      let before = '0-0';
      for (const [chunk, from, to] of parseRecord(String(value)).slices) {
        if (isOlderChunk(chunk, before)) this.violate('OUT OF ORDER in a segment');
        before = chunk;
        for (let event = from; event < to; event++) {
          const place = `${chunk}/${event}`;
          if (seen.has(place)) this.violate('invariant 1: event in two sealed segments');
          seen.add(place);
        }
      }
    }
    this.#countEvents(bucket);
  }

  /** What is still to be moved, or was left behind. */
  async leftovers(redis: RedisPort, keys: LaneKeys, parts: WorldParts): Promise<string[]> {
    const { chunks, taken, records, spilled, backlog, writers } = keys;
    const looked = [chunks, taken, keys.left, records, spilled, backlog, writers];
    const answer = await redis.run(LEFTOVERS, looked, [GROUP]);
    const sizes = Array.isArray(answer) ? answer.map(Number) : [];
    const inRedis = ['chunks', 'taken', 'left', 'records', 'spilled', 'backlog', 'pending'];
    const left: Record<string, number | undefined> = {
      ...Object.fromEntries(inRedis.map((name, index) => [name, sizes[index]])),
      jobs: parts.jobs.all.size,
      'spilled jobs': parts.disks.reduce((sum, disk) => sum + disk.spilledJobs.all.size, 0),
      files: parts.disks.reduce((sum, disk) => sum + disk.files, 0),
    };
    if (parts.manifests) {
      const keysLeft = await redis.call('KEYS', [`${keys.unlisted.replaceAll(/[{}]/g, '?')}*`]);
      left['manifests'] = Array.isArray(keysLeft) ? keysLeft.length : undefined;
    }
    if (parts.writerIdleMsMax < 0) left['writers'] = sizes[7];
    return Object.keys(left).filter((name) => left[name] !== 0);
  }

  /** Every acknowledged event is in exactly one object of its place, no event is stored twice, and no request in part. */
  judge(bucket: Bucket): void {
    const stored = this.#countEvents(bucket);
    for (const line of this.#acknowledged) if (!stored.has(line)) this.violate('LOST acknowledged event');
    const times = new Map<string, number>();
    for (const { events } of this.#sent) for (const line of events) times.set(line, (times.get(line) ?? 0) + 1);
    for (const request of this.#sent) {
      const [first = ''] = [...request.events, ...request.evidence];
      // What a failover has lost of a request may be one chunk of it.
      if (this.#failovers.get(this.#sinks.get(first) ?? '') === 'writes_lost') continue;
      const isAlone = request.events.every((line) => times.get(line) === 1);
      if (isInPart(request, isAlone, stored)) this.violate('HALF of a request is stored');
    }
  }

  /**
   * Every committed object is in one manifest of its lane, and in no more manifests than it has receipts: a spilled
   * file that was adopted is committed again (ADR 8). After a failover an object may be in more manifests, because
   * those that the replica does not know are made again. It is still in at least one, because a replica that does not
   * know a commit does not know its receipt either.
   */
  async judgeManifests(redis: RedisPort, keys: LaneKeys, { sinkName, bucket }: WorldParts): Promise<void> {
    const laneUid = await redis.call('HGET', [keys.meta, 'uid']);
    const listed = new Map<string, number>();
    for (const [name, body] of bucket.manifests) {
      if (!name.includes(`/_manifest-${String(laneUid)}-`)) continue;
      for (const { key } of (JSON.parse(body.toString()) as Manifest).objects) {
        if (!bucket.objects.has(key)) this.violate('manifest lists what is not in the bucket');
        listed.set(key, (listed.get(key) ?? 0) + 1);
      }
    }
    const committed = new Map<string, number>();
    for (const { key } of await receiptsOf(redis, keys)) committed.set(key, (committed.get(key) ?? 0) + 1);
    for (const key of committed.keys()) if (!listed.has(key)) this.violate('UNLISTED object');
    if (this.#failovers.get(sinkName) === 'writes_lost') return;
    for (const [key, times] of listed) if (times > (committed.get(key) ?? 0)) this.violate('object LISTED TWICE');
  }

  #countEvents(bucket: Bucket): Set<string> {
    const stored = new Set<string>();
    for (const [key, body] of bucket.objects) {
      for (const line of body.toString().split('\n').slice(0, -1)) {
        const sinkName = this.#sinks.get(line) ?? '';
        if (stored.has(line) && this.#failovers.get(sinkName) !== 'writes_lost') this.violate('DOUBLED event');
        stored.add(line);
        if (!key.startsWith(beginningOf(this.placeOf(line)))) this.violate('event in the WRONG PLACE');
      }
    }
    return stored;
  }
}

/**
 * Whether some of a request is stored and some is not. Its events may have been stored by a repetition of it, whose evidence
 * is another.
 */
function isInPart({ events, evidence }: Sent, isAlone: boolean, stored: ReadonlySet<string>): boolean {
  const isStored = (line: string): boolean => stored.has(line);
  const [storedEvents, storedEvidence] = [events.filter(isStored).length, evidence.filter(isStored).length];
  if (storedEvents % (events.length || 1) > 0 || storedEvidence % (evidence.length || 1) > 0) return true;
  if (storedEvidence > 0) return storedEvents < events.length;
  return isAlone && storedEvents > 0 && evidence.length > 0;
}

/** The receipts of a lane. A world commits fewer objects than the cap of the receipts. */
async function receiptsOf(redis: RedisPort, keys: LaneKeys): Promise<Receipt[]> {
  const entries: unknown = await redis.call('XRANGE', [keys.receipts, '-', '+']);
  return (Array.isArray(entries) ? (entries as [string, string[]][]) : []).map(([, fields]) =>
    parseReceipt(fields[fields.indexOf('r') + 1] ?? ''),
  );
}

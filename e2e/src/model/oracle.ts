import { isOlderChunk, type Manifest, parseReceipt, parseRecord, type Receipt } from '@sink/domain';
import { GROUP, type LaneKeys, type RedisPort } from '@sink/lane';
import type { WorldParts } from './actors.ts';
import { LEFTOVERS, SEALED } from './looks.ts';
import type { Bucket } from './ports.ts';

/** A violation that must not show a mutation, because then its edit broke a script and not a rule. */
export const NOT_COMPILED = 'a script that is no Lua';

/** `nothing_lost`: every write that counts had reached the replica. */
export type FailoverLoss = 'nothing_lost' | 'writes_lost';

/** Knows every submitted event, those that were acknowledged, and what must be true at the end. */
export class Oracle {
  readonly violations: string[] = [];
  /** What the failovers of each sink may have lost. */
  readonly #failovers = new Map<string, FailoverLoss>();
  /** The sink to which each event was submitted. */
  readonly #sinks = new Map<string, string>();
  readonly #acknowledged = new Set<string>();

  get events(): number {
    return this.#sinks.size;
  }

  newEvent(sinkName: string): string {
    const line = `"event-${this.#sinks.size}"`;
    this.#sinks.set(line, sinkName);
    return line;
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

  /** Every acknowledged event is in exactly one object, and no event is stored twice. */
  judge(bucket: Bucket): void {
    const stored = this.#countEvents(bucket);
    for (const line of this.#acknowledged) if (!stored.has(line)) this.violate('LOST acknowledged event');
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
    for (const body of bucket.objects.values()) {
      for (const line of body.toString().split('\n').slice(0, -1)) {
        const sinkName = this.#sinks.get(line) ?? '';
        if (stored.has(line) && this.#failovers.get(sinkName) !== 'writes_lost') this.violate('DOUBLED event');
        stored.add(line);
      }
    }
    return stored;
  }
}

/** The receipts of a lane. A world commits fewer objects than the cap of the receipts. */
async function receiptsOf(redis: RedisPort, keys: LaneKeys): Promise<Receipt[]> {
  const entries: unknown = await redis.call('XRANGE', [keys.receipts, '-', '+']);
  return (Array.isArray(entries) ? (entries as [string, string[]][]) : []).map(([, fields]) =>
    parseReceipt(fields[fields.indexOf('r') + 1] ?? ''),
  );
}

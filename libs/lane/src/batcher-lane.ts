import type { SegmentRecord } from '@sink/domain';
import { GROUP } from './keys.ts';
import { LaneView } from './lane-view.ts';
import { asFields, asInteger, asList, asText, entriesRead, parseEntry, type StreamEntry } from './reply.ts';
import { adopt, type AdoptAnswer } from './steps/adopt.ts';
import { type DurabilityBarrier, reached, reachedAfterWrite } from './steps/barrier.ts';
import { claim, type ClaimAnswer } from './steps/claim.ts';
import { leave, renewLease, takeLease } from './steps/lease.ts';
import { openLane } from './steps/open.ts';
import { release, type ReleaseAnswer } from './steps/release.ts';
import { scrub, type ScrubAnswer } from './steps/scrub.ts';
import { seal, type SealAnswer } from './steps/seal.ts';
import { retireWriters, type RetireAnswer } from './steps/writers.ts';

/** Ids of a consumer's pending list that one call returns. */
const PENDING_PAGE = 100;

/** The steps that a batcher may take on a lane. */
export class BatcherLane extends LaneView {
  /** Creates what the lane needs in Redis and returns its uid: `uid`, or the one it already has. */
  open(uid: string): Promise<string> {
    return openLane(this.redis, this.number, this.keys, uid);
  }

  /** Chunks that were never delivered, at most `count`; waits up to `blockMs` for the first (0: not at all). */
  async read(consumer: string, count: number, blockMs: number): Promise<StreamEntry[]> {
    const block = blockMs > 0 ? ['BLOCK', blockMs] : [];
    const args = ['GROUP', GROUP, consumer, 'COUNT', count, ...block, 'STREAMS', this.keys.chunks, '>'];
    const reply = await this.redis.callBuffer('XREADGROUP', args);
    return entriesRead(reply).map(parseEntry);
  }

  /** A page of ids of the consumer's pending list after `after` ('': from its beginning). */
  async pending(consumer: string, after: string): Promise<string[]> {
    const start = after === '' ? '-' : `(${after}`;
    const args = [this.keys.chunks, GROUP, start, '+', PENDING_PAGE, consumer];
    return asList(await this.redis.call('XPENDING', args)).map((entry) => asText(asList(entry)[0]) ?? '');
  }

  /** Events of each chunk that are in sealed segments; `null` if the chunk has no counter: it is gone, or foreign. */
  async taken(ids: readonly string[]): Promise<(number | null)[]> {
    if (ids.length === 0) return [];
    const values = asList(await this.redis.call('HMGET', [this.keys.taken, ...ids]));
    return values.map((value) => asInteger(/^(\d+)\/\d+$/.exec(asText(value) ?? '')?.[1]));
  }

  /** Takes a chunk out of the pending list. */
  async acknowledge(id: string): Promise<void> {
    await this.redis.call('XACK', [this.keys.chunks, GROUP, id]);
  }

  seal(record: SegmentRecord, json: string): Promise<SealAnswer> {
    return seal(this.redis, this.keys, record, json);
  }

  /** Whether everything that this connection wrote so far is as durable as asked for. Call it after the write's answer. */
  reached(barrier: DurabilityBarrier): Promise<boolean> {
    return reached(this.redis, this.keys, barrier);
  }

  /** The same of everything that is in the lane now, written by any process: it writes a value of its own first. */
  reachedAfterWrite(barrier: DurabilityBarrier): Promise<boolean> {
    return reachedAfterWrite(this.redis, this.keys, barrier);
  }

  /**
   * Takes the segment's chunks out of Redis: from here on its file in the spool directory with this id is the only copy.
   * Only for a file that is durable, verified and marked.
   */
  release(record: SegmentRecord, spoolId: string): Promise<ReleaseAnswer> {
    return release(this.redis, this.keys, record, spoolId);
  }

  /** Stores a spilled record again for a marked spool file that Redis knows nothing of, if it is the only copy. */
  adopt(record: SegmentRecord, spoolId: string): Promise<AdoptAnswer> {
    return adopt(this.redis, this.keys, record, spoolId);
  }

  takeLease(consumer: string, ttlMs: number): Promise<void> {
    return takeLease(this.redis, this.keys, consumer, ttlMs);
  }

  /** False once the lease is gone: then another batcher may have taken over. */
  renewLease(consumer: string, ttlMs: number): Promise<boolean> {
    return renewLease(this.redis, this.keys, consumer, ttlMs);
  }

  /** Gives the lease back, and removes the consumer from the group if it has nothing pending. */
  leave(consumer: string): Promise<void> {
    return leave(this.redis, this.keys, consumer);
  }

  /** Names of all batchers that the group knows, including dead ones. */
  async consumers(): Promise<string[]> {
    const consumers = asList(await this.redis.call('XINFO', ['CONSUMERS', this.keys.chunks, GROUP]));
    return consumers.map((info) => asText(asFields(info)['name']) ?? '');
  }

  /** Takes over one page of what a batcher without a lease left pending; `more` until nothing of it is left. */
  claim(dead: string, consumer: string): Promise<ClaimAnswer> {
    return claim(this.redis, this.keys, dead, consumer);
  }

  /** Puts one page of chunks that are in no pending list into the consumer's; begins at `cursor`. */
  scrub(consumer: string, cursor: string): Promise<ScrubAnswer> {
    return scrub(this.redis, this.keys, consumer, cursor);
  }

  /** Forgets the writers of one page that have not appended for longer than `idleMs`; begins at `cursor`. */
  retireWriters(cursor: string, idleMs: number): Promise<RetireAnswer> {
    return retireWriters(this.redis, this.keys, cursor, idleMs);
  }
}

import { RecordUnreadable, type SegmentRecord } from '@sink/domain';
import { assertReached, type BatcherLane, type ReleaseAnswer } from '@sink/lane';
import type { BatcherPorts, BatcherSpool, Reporter, UploadHandover } from '../ports.ts';
import type { BatcherSettings } from '../settings.ts';

/** What part of the time, at most, goes into reading the names of a large spool. */
const WALK_SHARE = 0.1;

export interface SpillingLane {
  readonly lane: BatcherLane;
  /** Seals what is open, full or not: only sealed segments can be released. */
  readonly closeEarly: () => void;
}

export interface SpillerPorts extends Pick<BatcherPorts, 'clock'> {
  readonly spool: Pick<BatcherSpool, 'instances' | 'files' | 'remove' | 'examine' | 'mark'>;
  readonly lanes: readonly SpillingLane[];
  /** Whether an uploader on this spool directory is alive; no other can upload what is released here. */
  readonly uploaderIsHere: () => Promise<boolean>;
  /** The upload jobs of what is released here. If a job cannot be added now, the uploaders' sweep adds it. */
  readonly uploads: UploadHandover;
  /** Whether a segment's file is between sealed on disk and sealed in its lane. */
  readonly isClosing: (segmentId: string) => boolean;
  readonly released: (lane: number) => void;
  readonly reporter: Reporter;
}

export interface SpillerOptions extends Pick<
  BatcherSettings,
  'barrier' | 'spillLookEveryMs' | 'releasesPerLook' | 'unsoundMax'
> {
  readonly spoolId: string;
  /** Bytes of a lane's backlog in Redis from which on its segments are released. */
  readonly spillAtBytes: number;
}

/**
 * Releases sealed segments from Redis while its backlog is above the limit, which happens when the bucket is away: their
 * spool files are the only copies then (docs/adr/0008-spill.md). Before the chunks of a segment are deleted, its file is
 * examined and durably marked. A marked file is never removed because its record is missing, so the events are always in
 * Redis or in a marked file.
 */
export class Spiller {
  readonly #ports: SpillerPorts;
  readonly #options: SpillerOptions;
  readonly #unsound = new Set<string>();

  constructor(ports: SpillerPorts, options: SpillerOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async runUntil(ended: AbortSignal): Promise<void> {
    const { clock, reporter } = this.#ports;
    while (!ended.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        await this.round(ended);
        reporter.succeeded();
      } catch (error) {
        reporter.failed({ err: error });
      }
      const tookMs = clock.monotonicMs() - startedMs;
      await clock.sleep(Math.max(this.#options.spillLookEveryMs, tookMs / WALK_SHARE - tookMs), ended);
    }
  }

  /**
   * Releases segments until every lane is below the limit or has none left here; then has open ones sealed.
   * @throws RedisFailure, also when a seal is not durable yet: the next round tries again
   */
  async round(ended: AbortSignal): Promise<void> {
    let over = await this.#over(this.#ports.lanes);
    if (over.length === 0 || !(await this.#ports.uploaderIsHere())) return;
    let released = 0;
    for (const { instance, segmentId } of await this.#sealedFiles()) {
      if (ended.aborted) return;
      if (!(await this.#release(instance, segmentId, over))) continue;
      released += 1;
      if (released % this.#options.releasesPerLook > 0) continue;
      over = await this.#over(over);
      if (over.length === 0) return;
    }
    for (const { closeEarly } of await this.#over(over)) closeEarly();
  }

  async #sealedFiles(): Promise<{ instance: string; segmentId: string }[]> {
    const { spool, isClosing } = this.#ports;
    const found: { instance: string; segmentId: string }[] = [];
    for (const instance of await spool.instances()) {
      for (const { segmentId, state } of await spool.files(instance)) {
        if (state !== 'sealed' || isClosing(segmentId) || this.#unsound.has(segmentId)) continue;
        found.push({ instance, segmentId });
      }
    }
    return found;
  }

  async #over(lanes: readonly SpillingLane[]): Promise<SpillingLane[]> {
    const backlogs = await Promise.all(lanes.map(({ lane }) => lane.backlog()));
    return lanes.filter((_, index) => (backlogs[index]?.bytes ?? 0) >= this.#options.spillAtBytes);
  }

  async #release(instance: string, segmentId: string, lanes: readonly SpillingLane[]): Promise<boolean> {
    const { spool, uploads, released } = this.#ports;
    for (const { lane } of lanes) {
      const record = await lane.record(segmentId).catch(leftAlone);
      if (record === 'left alone') return this.#skip(segmentId);
      if (record === null) continue;
      const found = await spool.examine(instance, segmentId, { sealed: record });
      if (found.kind === 'missing') return false;
      if (found.kind !== 'sound') return this.#skip(segmentId);
      // Another batcher on this disk may have sealed the segment and not know yet whether the seal is durable. If a failover
      // lost the seal, its chunks would be sealed again, and the marked file would be adopted later and stored as well.
      assertReached(await lane.reachedAfterWrite(this.#options.barrier), `releasing segment ${segmentId}`); // rule: spill.barrier
      // The record may be from before a failover that lost the seal, and the barrier from after it.
      if (!(await lane.hasRecord(segmentId))) return false; // rule: spill.still-sealed
      if (!(await spool.mark(instance, segmentId))) return false; // rule: spill.marked
      const answer = await this.#releaseRecord(lane, record);
      // An uploader that did not see the mark committed the segment meanwhile.
      if (answer === 'gone') await spool.remove(instance, { segmentId, state: 'spilled' });
      if (answer !== 'released') return false;
      released(lane.number);
      await uploads.add(lane.number, segmentId).catch(() => undefined);
      return true;
    }
    return false;
  }

  /** The file is marked already, so it is not looked for again: what was redirected meanwhile is released as it is now. */
  async #releaseRecord(lane: BatcherLane, read: SegmentRecord): Promise<ReleaseAnswer> {
    const answer = await lane.release(read, this.#options.spoolId);
    if (answer !== 'changed') return answer;
    const now = await lane.record(read.id);
    return now === null ? 'gone' : this.#releaseRecord(lane, now);
  }

  /** Its file is not looked at again. */
  #skip(segmentId: string): false {
    if (this.#unsound.size < this.#options.unsoundMax) this.#unsound.add(segmentId);
    return false;
  }
}

/** A record of a newer release does not keep the others in Redis. */
function leftAlone(error: unknown): 'left alone' {
  if (error instanceof RecordUnreadable && error.code === 'record_version') return 'left alone';
  throw error;
}

import { type Compression, objectKey, RECORD_VERSION, type SegmentRecord } from '@sink/domain';
import { assertReached, type BatcherLane, type DurabilityBarrier, RedisFailure } from '@sink/lane';
import type { OpenSegment } from './open-segment.ts';
import type { BatcherClock, HealthPort, SpoolPort, UploadsPort } from './ports.ts';

export interface SealerOptions {
  readonly prefix: string;
  readonly compression: Compression;
  readonly compressionLevel?: number;
  readonly durability: DurabilityBarrier;
}

export interface SealerPorts {
  readonly lane: BatcherLane;
  readonly spool: SpoolPort;
  readonly uploads: UploadsPort;
  readonly clock: BatcherClock;
  readonly newUid: () => string;
  readonly sealed: (record: SegmentRecord) => void;
  /** Hears of seals without an answer, which are sent again for as long as it takes. */
  readonly health: HealthPort;
}

/** Segments closed but not yet sealed at a time: bounds open descriptors and what a refused seal throws away. */
const CLOSING_MAX = 8;
/** The wait before a seal without answer is sent again; it doubles with each try. */
const RETRY_WAIT_MS_MIN = 100;
const RETRY_WAIT_MS_MAX = 2_000;

/** A seal was refused: somebody else took those chunks over. What is open must be thrown away and read again. */
export class SealRefused extends Error {
  readonly code = 'seal_refused';
  readonly retryable = true;
  constructor(segmentId: string, chunks: readonly string[]) {
    super(`sealing segment ${segmentId}: refused for chunks ${chunks.slice(0, 5).join(', ') || '(another record)'}`);
    this.name = 'SealRefused';
  }
}

/**
 * Closes segments: the file is finished and made durable first, then the segment is sealed in the lane, then handed over
 * to the uploaders. Files are finished side by side; seals happen one after the other in the order of closing, because a
 * chunk that was split goes on in the next segment.
 */
export class Sealer {
  readonly #ports: SealerPorts;
  readonly #options: SealerOptions;
  #laneUid = '';
  #last: Promise<void> = Promise.resolve();
  readonly #closing: Promise<void>[] = [];
  readonly #inUse = new Set<string>();
  readonly #handovers = new Set<Promise<void>>();
  #failure: Error | null = null;
  readonly #abandoned = new AbortController();

  constructor(ports: SealerPorts, options: SealerOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async openLane(): Promise<void> {
    this.#laneUid = await this.#ports.lane.open(this.#ports.newUid());
  }

  /** Takes a full or due segment; waits while too many are closing. `onSealed` is called when its chunks are decided. */
  async close(segment: OpenSegment, onSealed: () => void): Promise<void> {
    if (this.#closing.length >= CLOSING_MAX) await this.#closing[0];
    this.#inUse.add(segment.segmentId);
    const prepared = this.#prepare(segment);
    prepared.catch(() => undefined); // handled in turn, below
    const done = this.#last.then(async () => {
      try {
        await this.#seal(await prepared, onSealed);
      } catch (error) {
        this.#failure ??=
          error instanceof Error ? error : new Error(`closing segment ${segment.segmentId}`, { cause: error });
        await segment.file.discard().catch(() => undefined);
      } finally {
        this.#inUse.delete(segment.segmentId);
      }
    });
    this.#last = done;
    this.#closing.push(done);
    void done.finally(() => this.#closing.splice(this.#closing.indexOf(done), 1));
  }

  /** Whether a segment's file is on its way from sealed on disk to sealed in the lane. */
  isClosing(segmentId: string): boolean {
    return this.#inUse.has(segmentId);
  }

  /** Waits until nothing is closing any more, and every handover was tried. */
  async settle(): Promise<void> {
    await this.#last;
    await Promise.all(this.#handovers);
  }

  /** Throws when what is open must be thrown away: a seal was refused, a file failed, or the lease is gone. */
  throwIfRefused(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#abandoned.signal.aborted) throw new SealRefused('of this instance', ['(lease lost)']);
  }

  /** Ready for the next segments, after everything open was thrown away. */
  reset(): void {
    this.#failure = null;
  }

  /** The lease is gone: nothing is sent again. */
  abandon(): void {
    this.#abandoned.abort();
  }

  async #prepare(segment: OpenSegment): Promise<{ record: SegmentRecord; json: string }> {
    const content = await segment.file.finish();
    const { prefix, compression, compressionLevel } = this.#options;
    const [first] = segment.slices;
    if (!first) throw new Error(`closing segment ${segment.segmentId}: it is empty`);
    const { partition } = segment;
    const record: SegmentRecord = {
      v: RECORD_VERSION,
      id: segment.segmentId,
      key: objectKey({ prefix, partition, laneUid: this.#laneUid, first, sha256: content.sha256, compression }),
      partition,
      slices: segment.slices,
      count: segment.count,
      bytes: content.contentBytes,
      sha256: content.sha256,
      compression,
      ...(compressionLevel === undefined ? {} : { compressionLevel }),
      spool: this.#ports.spool.instance,
      acceptedAtMs: segment.acceptedAtMs,
      sealedAtMs: this.#ports.clock.wallMs(),
    };
    const json = JSON.stringify(record);
    await segment.file.seal(json);
    return { record, json };
  }

  async #seal({ record, json }: { record: SegmentRecord; json: string }, onSealed: () => void): Promise<void> {
    const { lane, spool, uploads, sealed } = this.#ports;
    // Behind a refused segment nothing is sealed: what follows may stand on chunks that were lost with it.
    if (this.#failure !== null || !(await this.#sealInLane(record, json))) {
      await spool.removeSealed(record.id);
      return;
    }
    onSealed();
    sealed(record);
    // An upload starts only now, behind the durable seal. If this fails, the sweep gives the record its job.
    const handover = uploads.add(lane.number, record.id).catch(() => undefined);
    this.#handovers.add(handover);
    void handover.finally(() => this.#handovers.delete(handover));
  }

  /** Sends the same record under the same id until there is an answer; false when it was refused. */
  async #sealInLane(record: SegmentRecord, json: string): Promise<boolean> {
    const { lane, clock, health } = this.#ports;
    for (let waitMs = RETRY_WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_WAIT_MS_MAX)) {
      if (this.#abandoned.signal.aborted) throw new SealRefused(record.id, ['(lease lost)']);
      try {
        const answer = await lane.seal(record, json);
        if (answer.kind === 'refused') {
          this.#failure = new SealRefused(record.id, answer.chunks);
          return false;
        }
        assertReached(await lane.reached(this.#options.durability), `sealing segment ${record.id}`);
        health.working();
        return true;
      } catch (error) {
        if (!(error instanceof RedisFailure)) throw error;
        health.failing(error);
        await clock.sleep(waitMs, this.#abandoned.signal);
      }
    }
  }
}

import { backoffMs, type SegmentRecord } from '@sink/domain';
import { assertReached, RedisFailure, type SealAnswer } from '@sink/lane';
import type { BatcherSettings } from '../settings.ts';
import type { LaneBatcherPorts } from './lane-batcher.ts';
import type { OpenSegment } from './open-segment.ts';
import { SealSpan } from './seal-span.ts';
import { segmentRecord } from './segment-record.ts';

/** A seal was refused: another batcher took those chunks over. */
export class SealRefused extends Error {
  readonly code = 'seal_refused';
  readonly retryable = true;
  constructor(segmentId: string, chunks: readonly string[]) {
    super(`sealing segment ${segmentId}: refused for chunks ${chunks.slice(0, 5).join(', ') || '(another record)'}`);
    this.name = 'SealRefused';
  }
}

/**
 * Closes segments: the file is finished and made durable first, then the segment is sealed in the lane, then handed over to
 * the uploaders. Files are finished side by side; seals happen one after the other in the order of closing, because a chunk
 * that was split continues in the next segment.
 *
 * A sealer that has failed seals nothing more: what follows may continue chunks that were lost with the failed segment. Its
 * owner throws away what is open and makes another sealer.
 */
export class Sealer {
  /** Aborts with the reason when a seal was refused, a file failed, or the lease is lost. */
  readonly failed: AbortSignal;
  readonly #ports: LaneBatcherPorts;
  readonly #settings: BatcherSettings;
  readonly #laneUid: string;
  readonly #failure = new AbortController();
  #last: Promise<void> = Promise.resolve();
  readonly #closing: Promise<void>[] = [];
  readonly #inUse = new Set<string>();
  readonly #handovers = new Set<Promise<void>>();

  /** @param lost aborts with the lease: no seal is sent again after it */
  constructor(ports: LaneBatcherPorts, settings: BatcherSettings, laneUid: string, lost: AbortSignal) {
    this.#ports = ports;
    this.#settings = settings;
    this.#laneUid = laneUid;
    this.failed = AbortSignal.any([this.#failure.signal, lost]);
  }

  /** Takes a full or due segment; waits while too many are closing. Calls `onSealed` when the segment is sealed. */
  async close(segment: OpenSegment, onSealed: () => void): Promise<void> {
    if (this.#closing.length >= this.#settings.closingMax) await this.#closing[0];
    this.#inUse.add(segment.segmentId);
    const { tracing, lane, clock } = this.#ports;
    const span = tracing ? SealSpan.start(tracing, segment, lane.keys.chunks, clock.monotonicMs()) : null;
    const prepared = this.#prepare(segment, span);
    prepared.catch(() => undefined); // awaited in turn, below
    const done = this.#last.then(async () => {
      try {
        const { record, json } = await prepared;
        await this.#seal(record, json, span, onSealed);
      } catch (error) {
        span?.failed(error);
        this.#failure.abort(error);
        await segment.discard().catch(() => undefined);
      } finally {
        this.#inUse.delete(segment.segmentId);
      }
    });
    this.#last = done;
    this.#closing.push(done);
    void done.finally(() => this.#closing.splice(this.#closing.indexOf(done), 1));
  }

  /** Whether a segment's file is between sealed on disk and sealed in the lane. */
  isClosing(segmentId: string): boolean {
    return this.#inUse.has(segmentId);
  }

  /** Waits until nothing is closing any more, and every handover was tried. */
  async settle(): Promise<void> {
    await this.#last;
    await Promise.all(this.#handovers);
  }

  async #prepare(segment: OpenSegment, span: SealSpan | null): Promise<{ record: SegmentRecord; json: string }> {
    const content = await segment.finish();
    const { format } = segment; // rule: segment.own-format
    const record = segmentRecord(segment, content, {
      format,
      laneUid: this.#laneUid,
      spool: this.#ports.spool.instance,
      sealedAtMs: this.#ports.clock.wallMs(),
      trace: span?.trace ?? null,
    });
    const json = JSON.stringify(record);
    await segment.seal(json);
    return { record, json };
  }

  async #seal(record: SegmentRecord, json: string, span: SealSpan | null, onSealed: () => void): Promise<void> {
    const { lane, spool, uploads, events } = this.#ports;
    if (this.failed.aborted) {
      span?.failed(this.failed.reason);
      return spool.removeSealed(record.id);
    }
    const answer = await this.#sealInLane(record, json, span);
    if (answer.kind === 'refused') {
      const refused = new SealRefused(record.id, answer.chunks);
      span?.failed(refused);
      this.#failure.abort(refused);
      return spool.removeSealed(record.id);
    }
    span?.sealed(record.key);
    onSealed();
    events.sealed(record);
    // An upload starts only now, after the durable seal. If the handover fails, the uploaders' sweep adds the job.
    const handover = uploads.add(lane.number, record.id).catch(() => undefined);
    this.#handovers.add(handover);
    void handover.finally(() => this.#handovers.delete(handover));
  }

  /** Sends the same record under the same id until there is an answer, or until the sealer fails. */
  async #sealInLane(record: SegmentRecord, json: string, span: SealSpan | null): Promise<SealAnswer> {
    const { lane, clock, random, sealing } = this.#ports;
    const { barrier, sealRetry } = this.#settings;
    for (let tries = 1; ; tries++) {
      this.failed.throwIfAborted();
      try {
        const answer = await lane.seal(record, json);
        if (answer.kind === 'sealed') assertReached(await lane.reached(barrier), `sealing segment ${record.id}`); // rule: seal.barrier
        sealing.succeeded();
        return answer;
      } catch (error) {
        if (!(error instanceof RedisFailure)) throw error;
        sealing.failed({ err: error, ...span?.fields });
        await clock.sleep(backoffMs(tries, sealRetry, random()), this.failed);
      }
    }
  }
}

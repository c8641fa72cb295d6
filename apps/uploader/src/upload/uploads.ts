import { RECORD_VERSION, type SealedSegment } from '@sink/domain';
import { UploaderLane } from '@sink/lane';
import type { TraceFields } from '@sink/tracing';
import type { UploaderPorts, UploadJobs } from '../compose.ts';
import type { UploaderSettings } from '../settings.ts';
import { Breaker } from './breaker.ts';
import { classify, type UploadFailure } from './failure.ts';
import type { UploadHealth } from './upload-health.ts';
import { type SegmentUploadPorts, uploadSegment, uploadSpilled } from './upload-segment.ts';
import type { StoreOfBucket, Stores } from './stores.ts';
import { UploadSpan } from './upload-span.ts';

export interface UploadsPorts extends Omit<
  UploaderPorts,
  'sweepRedis' | 'jobs' | 'spilled' | 'spool' | 'readiness' | 'store' | 'openStore'
> {
  readonly stores: Stores;
  /** Every queue that this process takes jobs from. */
  readonly queues: readonly UploadJobs[];
  readonly spool: SegmentUploadPorts['spool'];
  readonly health: UploadHealth;
}

/** The uploads of one process: tries each job once, and holds or releases whole queues by how the tries end. */
export class Uploads {
  readonly #ports: UploadsPorts;
  readonly #settings: UploaderSettings;
  readonly #breaker: Breaker;
  #succeededMs = Number.NEGATIVE_INFINITY;
  #failedMs = Number.NEGATIVE_INFINITY;

  constructor(ports: UploadsPorts, settings: UploaderSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#breaker = new Breaker(settings.breaker);
  }

  /** Tries one upload. Throws what made it fail. */
  upload(lane: number, segmentId: string, signal: AbortSignal): Promise<void> {
    return this.#try(uploadSegment, lane, segmentId, signal);
  }

  /** The same for a spilled segment. */
  uploadSpilled(lane: number, segmentId: string, signal: AbortSignal): Promise<void> {
    return this.#try(uploadSpilled, lane, segmentId, signal);
  }

  /** Ends the waits of jobs that failed a minute ago, when uploads succeed again and none failed for one sweep. */
  async endWaits(): Promise<void> {
    const quietMs = this.#ports.clock.monotonicMs() - this.#failedMs;
    if (this.#succeededMs <= this.#failedMs || quietMs < this.#settings.sweepEveryMs) return;
    await Promise.all(this.#ports.queues.map((queue) => queue.promoteDelayed()));
  }

  async #try(upload: typeof uploadSegment, laneNumber: number, segmentId: string, signal: AbortSignal): Promise<void> {
    const { stores, spool, builder, clock, metrics, log, health, timeout, tracing } = this.#ports;
    const { receiptsMax, manifests, uploadTimeoutMs } = this.#settings;
    const lane = new UploaderLane(this.#ports.redis, this.#settings.sinkName, laneNumber);
    const startedMs = clock.monotonicMs();
    const limited = AbortSignal.any([signal, timeout(uploadTimeoutMs)]);
    let span: UploadSpan | null = null;
    let isRouted = false;
    const storeOf = (record: SealedSegment): StoreOfBucket => stores.of(record);
    const trace = (record: SealedSegment): UploadSpan | null => {
      isRouted = record.v !== RECORD_VERSION;
      span = tracing ? UploadSpan.start(tracing, record, { place: stores.of(record).place, startedMs }) : null;
      return span;
    };
    const fields = (): TraceFields => span?.fields ?? {};
    try {
      const result = await upload(
        segmentId,
        { lane, storeOf, spool, builder, wallMs: () => clock.wallMs(), receiptsMax, manifests, trace },
        limited,
      );
      if (result.kind === 'gone') {
        metrics.uploads.inc({ result: 'gone' });
        health.resolved(segmentId);
        return;
      }
      const { receipt, existed, source } = result;
      metrics.uploads.inc({ result: existed ? 'existed' : 'stored' });
      metrics.uploadSeconds.observe((clock.monotonicMs() - startedMs) / 1_000);
      metrics.bytes.inc(receipt.objectBytes ?? 0);
      metrics.events.inc(receipt.count);
      metrics.acceptedToStoredSeconds.observe(Math.max(0, receipt.storedAtMs - receipt.acceptedAtMs) / 1_000);
      if (source === 'chunks') metrics.rebuilt.inc();
      const { key, count: events } = receipt;
      log.debug({ segmentId, key, events, source, existed, ...fields() }, 'object stored');
      this.#succeeded(segmentId);
    } catch (error) {
      this.#failed(segmentId, ofOneSegment(classify(error), isRouted), fields());
      throw error;
    }
  }

  #succeeded(segmentId: string): void {
    const { health, clock, queues, log } = this.#ports;
    health.succeeded(segmentId);
    this.#succeededMs = clock.monotonicMs();
    if (!this.#breaker.succeeded()) return;
    // The store is available again: jobs on hold, and jobs that wait for their next try, start now.
    Promise.all(queues.map((queue) => queue.endHold().then(() => queue.promoteDelayed()))).catch((err: unknown) => {
      log.debug({ err }, 'promoting delayed uploads failed; each is retried when its own wait ends');
    });
  }

  #failed(segmentId: string, failure: UploadFailure, fields: TraceFields): void {
    const { metrics, health, clock, log, random, queues } = this.#ports;
    metrics.failed(failure.kind);
    health.failed(segmentId, failure, fields);
    this.#failedMs = clock.monotonicMs();
    const holdMs = this.#breaker.failed(failure.kind, clock.monotonicMs(), random());
    if (holdMs === 0) return;
    log.warn({ holdMs, kind: failure.kind, code: failure.code }, 'the store fails or throttles: uploads are on hold');
    Promise.all(queues.map((queue) => queue.holdFor(holdMs))).catch((err: unknown) => {
      log.debug({ err }, 'holding uploads failed; each job backs off by itself');
    });
  }
}

/** What an operator has to mend for another route or bucket concerns its segments only: the others go on. */
function ofOneSegment(failure: UploadFailure, isRouted: boolean): UploadFailure {
  return isRouted && failure.kind === 'operator' ? { ...failure, kind: 'segment' } : failure;
}

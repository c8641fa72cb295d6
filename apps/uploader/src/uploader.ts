import { type DurabilityBarrier, UploaderLane, type RedisPort, rememberLanes } from '@sink/lane';
import type { ObjectStore } from '@sink/objects';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import type { RetryPace, UploadQueue } from '@sink/uploads';
import { Breaker, type BreakerOptions } from './breaker.ts';
import { classify } from './failure.ts';
import { UploadHealth } from './health.ts';
import type { UploaderMetrics } from './metrics.ts';
import type { ObjectBuilder } from './object-builder.ts';
import type { SpoolFilesPort } from './ports.ts';
import { SpoolWatch } from './spool-watch.ts';
import { sweep } from './sweep.ts';
import { uploadSegment, uploadSpilled } from './upload-segment.ts';

export interface UploaderPorts {
  /** For records, chunks and commits. */
  readonly redis: RedisPort;
  /** For the sweep, which waits for durability on it. */
  readonly sweepRedis: RedisPort;
  readonly queue: UploadQueue;
  /** What was spilled into the spool directory of this process; null where it has none. */
  readonly spilled: { readonly spoolId: string; readonly queue: UploadQueue } | null;
  readonly store: ObjectStore;
  readonly spool: SpoolFilesPort;
  readonly builder: ObjectBuilder;
  readonly metrics: UploaderMetrics;
  readonly readiness: Readiness;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface UploaderOptions {
  readonly sinkName: string;
  /** Lanes of the configuration; all that the sink ever used are swept. */
  readonly lanes: number;
  readonly durability: DurabilityBarrier;
  readonly receiptsMax: number;
  readonly manifests: boolean;
  /** The deadline of one try's PUT. */
  readonly uploadTimeoutMs: number;
  readonly sweepEveryMs: number;
  readonly breaker: BreakerOptions;
}

/** The wait after a sweep that failed. */
const SWEEP_AGAIN_MS = 1_000;
/** The pause between two looks at what is left while draining. */
const DRAIN_LOOK_MS = 100;
/** A sweep is repeated in this time while draining. */
const DRAIN_SWEEP_MS = 1_000;
/** Rebuilt files of dead processes are this many upload deadlines old, and an hour at least. */
const TIDY_DEADLINES = 4;
const HOUR_MS = 3_600_000;

/** The uploads of one process: what is done with a job, and the sweep beside it. The worker hands in the jobs. */
export class Uploader {
  readonly #ports: UploaderPorts;
  readonly #options: UploaderOptions;
  readonly #health: UploadHealth;
  readonly #breaker: Breaker;
  readonly #spools: SpoolWatch | null;
  readonly #lanes = new Map<number, UploaderLane>();
  #sweptLanes: UploaderLane[] = [];
  #sweepProblem: string | null = null;
  #succeededMs = Number.NEGATIVE_INFINITY;
  #failedMs = Number.NEGATIVE_INFINITY;

  constructor(ports: UploaderPorts, options: UploaderOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#health = new UploadHealth(ports.log, ports.readiness, () => ports.clock.monotonicMs());
    this.#breaker = new Breaker(options.breaker);
    this.#spools = ports.spilled && new SpoolWatch({ ...ports, ...ports.spilled });
  }

  /** Tries one upload. Throws what made it fail: the queue tries again. */
  upload(lane: number, segmentId: string, signal: AbortSignal): Promise<void> {
    return this.#try(uploadSegment, lane, segmentId, signal);
  }

  /** The same for a spilled segment. */
  uploadSpilled(lane: number, segmentId: string, signal: AbortSignal): Promise<void> {
    return this.#try(uploadSpilled, lane, segmentId, signal);
  }

  async #try(upload: typeof uploadSegment, laneNumber: number, segmentId: string, signal: AbortSignal): Promise<void> {
    const { store, spool, builder, clock, metrics, log } = this.#ports;
    const { receiptsMax, manifests, uploadTimeoutMs } = this.#options;
    const lane = this.#lane(laneNumber);
    const startedMs = clock.monotonicMs();
    const limited = AbortSignal.any([signal, AbortSignal.timeout(uploadTimeoutMs)]);
    try {
      const result = await upload(
        segmentId,
        { lane, store, spool, builder, wallMs: () => clock.wallMs(), receiptsMax, manifests },
        limited,
      );
      if (result.kind === 'gone') {
        metrics.uploads.inc({ result: 'gone' });
        this.#health.resolved(segmentId);
        return;
      }
      const { receipt, existed, source } = result;
      metrics.uploads.inc({ result: existed ? 'existed' : 'stored' });
      metrics.uploadSeconds.observe((clock.monotonicMs() - startedMs) / 1_000);
      metrics.bytes.inc(receipt.objectBytes);
      metrics.events.inc(receipt.count);
      metrics.acceptedToStoredSeconds.observe(Math.max(0, receipt.storedAtMs - receipt.acceptedAtMs) / 1_000);
      if (source === 'chunks') metrics.rebuilt.inc();
      log.debug({ segmentId, key: receipt.key, events: receipt.count, source, existed }, 'object stored');
      this.#succeeded(segmentId);
    } catch (error) {
      this.#failed(segmentId, error);
      throw error;
    }
  }

  paceOf(error: unknown): RetryPace {
    return classify(error).pace;
  }

  /** Sweeps now and again until `stop`. */
  async sweepUntil(stop: AbortSignal): Promise<void> {
    const { clock, builder, log } = this.#ports;
    const tidyAgeMs = Math.max(HOUR_MS, TIDY_DEADLINES * this.#options.uploadTimeoutMs);
    let tidyAtMs = clock.monotonicMs();
    while (!stop.aborted) {
      await this.#sweep();
      if (clock.monotonicMs() >= tidyAtMs) {
        tidyAtMs = clock.monotonicMs() + HOUR_MS;
        await builder.tidy(tidyAgeMs, clock.wallMs()).catch((error: unknown) => {
          log.warn({ err: error }, 'tidying rebuilt segments failed; tried again in an hour');
        });
      }
      const failing = this.#sweepProblem !== null;
      await clock.sleep(
        failing ? Math.min(SWEEP_AGAIN_MS, this.#options.sweepEveryMs) : this.#options.sweepEveryMs,
        stop,
      );
    }
  }

  /**
   * Goes on until no sealed segment and no job is left, or for `drainMs`, or until it is clear that nothing more gets into
   * the bucket before a person does something. What is left stays in Redis, for whoever comes next.
   */
  async drain(drainMs: number): Promise<'empty' | 'left'> {
    const { clock } = this.#ports;
    const endMs = clock.monotonicMs() + drainMs;
    let sweepAtMs = clock.monotonicMs();
    await this.#forEachQueue((queue) => queue.promoteDelayed()).catch(() => undefined);
    while (clock.monotonicMs() < endMs && !this.#health.needsPerson) {
      if (clock.monotonicMs() >= sweepAtMs) {
        await this.#sweep();
        sweepAtMs = clock.monotonicMs() + DRAIN_SWEEP_MS;
      }
      if (await this.#nothingLeft().catch(() => false)) return 'empty';
      await clock.sleep(DRAIN_LOOK_MS);
    }
    return 'left';
  }

  async #nothingLeft(): Promise<boolean> {
    const counts = await this.#forEachQueue((queue) => queue.counts());
    if (counts.some(({ waiting, active, delayed, failed }) => waiting + active + delayed + failed > 0)) return false;
    const backlogs = await Promise.all(this.#sweptLanes.map((lane) => lane.backlog()));
    return this.#sweptLanes.length > 0 && backlogs.every(({ segments }) => segments === 0);
  }

  async #sweep(): Promise<void> {
    const { sweepRedis, queue, metrics, log, readiness } = this.#ports;
    const { sinkName, lanes, durability } = this.#options;
    try {
      const numbers = await rememberLanes(sweepRedis, sinkName, lanes);
      this.#sweptLanes = numbers.map((lane) => new UploaderLane(sweepRedis, sinkName, lane));
      const { restored, revived } = await sweep(this.#sweptLanes, queue, durability);
      const spilled = (await this.#spools?.round(this.#sweptLanes, durability)) ?? 0;
      if (restored + revived + spilled > 0) {
        metrics.jobsRestored.inc(restored + revived + spilled);
        log.info({ restored, revived, spilled }, 'sweep gave sealed segments their upload jobs again');
      }
      await this.#endWaits();
      await this.#measure();
      await this.#lookAfterStuck();
      if (this.#sweepProblem !== null) log.info('sweeping works again');
      this.#sweepProblem = null;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#sweepProblem) log.warn({ err: error }, 'sweeping failed; it is tried again every second');
      this.#sweepProblem = problem;
    }
    readiness.set('sweep', this.#sweepProblem);
  }

  /** Where uploads succeed again, and none failed for a while, those that wait for a minute after a failure need not. */
  async #endWaits(): Promise<void> {
    const quietMs = this.#ports.clock.monotonicMs() - this.#failedMs;
    if (this.#succeededMs <= this.#failedMs || quietMs < this.#options.sweepEveryMs) return;
    await this.#forEachQueue((queue) => queue.promoteDelayed());
  }

  async #measure(): Promise<void> {
    const { metrics } = this.#ports;
    let waiting = 0;
    for (const lane of this.#sweptLanes) {
      const label = { lane: String(lane.number) };
      const [{ segments }, spilled] = await Promise.all([lane.backlog(), lane.spilledBacklog()]);
      waiting += segments + spilled.segments;
      metrics.sealedWaiting.set(label, segments);
      metrics.spilledWaiting.set(label, spilled.segments);
    }
    metrics.parked.set(this.#health.needsPerson ? waiting : this.#health.stuck().length);
    const counts = await this.#forEachQueue((queue) => queue.counts());
    for (const state of ['waiting', 'active', 'delayed', 'failed'] as const) {
      metrics.jobs.set(
        { state },
        counts.reduce((sum, count) => sum + count[state], 0),
      );
    }
  }

  /** Segments another uploader committed meanwhile are no longer our trouble. */
  async #lookAfterStuck(): Promise<void> {
    for (const segmentId of this.#health.stuck()) {
      const waiting = await Promise.all(this.#sweptLanes.map((lane) => lane.awaitsUpload(segmentId)));
      if (!waiting.includes(true)) this.#health.resolved(segmentId);
    }
  }

  #succeeded(segmentId: string): void {
    this.#health.succeeded(segmentId);
    this.#succeededMs = this.#ports.clock.monotonicMs();
    if (!this.#breaker.succeeded()) return;
    // The store is back: what is held, or waits for its own next try, need not.
    this.#forEachQueue(async (queue) => {
      await queue.endHold();
      await queue.promoteDelayed();
    }).catch((error: unknown) => {
      this.#ports.log.debug({ err: error }, 'promoting delayed uploads failed; they come when their time has come');
    });
  }

  #failed(segmentId: string, error: unknown): void {
    const { metrics, clock, log, random } = this.#ports;
    const failure = classify(error);
    metrics.failed(failure.kind);
    this.#health.failed(segmentId, failure);
    this.#failedMs = clock.monotonicMs();
    const holdMs = this.#breaker.failed(failure.kind, clock.monotonicMs(), random());
    if (holdMs === 0) return;
    log.warn({ holdMs, kind: failure.kind, code: failure.code }, 'the store fails or asks for less: uploads are held');
    this.#forEachQueue((queue) => queue.holdFor(holdMs)).catch((cause: unknown) => {
      log.debug({ err: cause }, 'holding uploads failed; each backs off by itself');
    });
  }

  #forEachQueue<T>(ask: (queue: UploadQueue) => Promise<T>): Promise<T[]> {
    const { queue, spilled } = this.#ports;
    return Promise.all([queue, ...(spilled === null ? [] : [spilled.queue])].map(ask));
  }

  #lane(number: number): UploaderLane {
    let lane = this.#lanes.get(number);
    if (!lane) {
      lane = new UploaderLane(this.#ports.redis, this.#options.sinkName, number);
      this.#lanes.set(number, lane);
    }
    return lane;
  }
}

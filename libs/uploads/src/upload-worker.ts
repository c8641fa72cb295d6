import { backoffMs } from '@sink/domain';
import { type Job, type JobJson, Worker } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { type FailureLog, FailureReporter, type Readiness, systemClock } from '@sink/runtime';
import { laneOf, laneOfText, queueName, queuePrefix, type UploadJob } from './upload-job.ts';

/**
 * Another worker takes over the job of an ended worker after this time and the next stalled check. Renewed in half of
 * it.
 */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 7_500;
/** The wait after Redis refused to give a job (at maxmemory, or forbidden). BullMQ itself would ask again at once. */
const REFUSED_WAIT_MS = 1_000;
/** Refusals for so long make the service unready. They come every second; after a time without any, they are over. */
const UNREADY_AFTER_MS = 3_000;
const QUIET_MS = 5_000;
/** The rate limit that `UploadQueue.holdFor` needs to have an effect. It is never reached otherwise. */
const LIMITER = { max: 1_000_000_000, duration: 1_000 };
/** Characters of an error message that are stored in Redis with the job. */
const REASON_LENGTH_MAX = 300;

/**
 * How soon a failed upload is retried. `ordinary`: the failure may end soon (capped exponential backoff with full
 * jitter). `slow`: the failure needs an operator.
 */
export type RetryPace = 'ordinary' | 'slow';

export interface RetryTimes {
  /** The bounds of the first ordinary wait, and of all ordinary waits. */
  readonly baseMs: number;
  readonly capMs: number;
  /** The least slow wait; the longest is twice as long. */
  readonly slowMs: number;
}

export const RETRY_TIMES: RetryTimes = { baseMs: 500, capMs: 30_000, slowMs: 20_000 };

type UploadLost = 'lock_lost' | 'stopping';

export interface UploadWorkerOptions {
  /** Uploads the segments that are spilled into this spool directory; absent: those of the common queue. */
  readonly spoolId?: string;
  /** The number of uploads at the same time, 1 or more. */
  readonly concurrency: number;
  /**
   * Does one upload. If it throws, the upload is retried. The signal aborts if another worker may have taken over the
   * job, or if the time of `close` is over.
   */
  readonly upload: (lane: number, segmentId: string, signal: AbortSignal) => Promise<void>;
  readonly paceOf: (error: unknown) => RetryPace;
  /** Gets the errors of the worker and its connections, one in ten seconds at most. */
  readonly log: FailureLog;
  /** Has a problem while Redis refuses to give jobs. */
  readonly readiness?: Pick<Readiness, 'set'>;
  readonly random?: () => number;
  readonly retryTimes?: RetryTimes;
  /** For tests; see LOCK_MS. */
  readonly lockMs?: number;
}

/** The error that BullMQ stores: one short line. The failure itself is its cause. */
class UploadAttemptFailed extends Error {
  constructor(cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(message.slice(0, REASON_LENGTH_MAX), { cause });
    this.name = 'UploadAttemptFailed';
  }
}

/** Takes uploads from the queue, and retries each until it succeeds. */
export class UploadWorker {
  /** Resolves when the worker has ended after `close`; rejects if it fails. */
  readonly ended: Promise<void>;
  readonly #worker: PatientWorker;
  readonly #connection: Redis | Cluster;
  #quiet: NodeJS.Timeout | undefined;

  /**
   * @param connection of the role `queue`. The worker owns it from now on, and a copy of it for blocking reads; `close`
   *   closes both.
   */
  constructor(connection: Redis | Cluster, sinkName: string, options: UploadWorkerOptions) {
    this.#connection = connection;
    const { random = Math.random, retryTimes = RETRY_TIMES, lockMs = LOCK_MS } = options;
    const { log, readiness } = options;
    const errors = new FailureReporter(
      { log, clock: systemClock, ...(readiness === undefined ? {} : { readiness }) },
      {
        name: options.spoolId === undefined ? 'upload worker' : 'worker of spilled uploads',
        failing: 'Redis refuses to give upload jobs; the uploader asks again every second',
        unreadyAfterMs: UNREADY_AFTER_MS,
      },
    );
    const process = async (job: Job<UploadJob>, _token: string | undefined, signal?: AbortSignal): Promise<void> => {
      const lane = laneOf(job.data);
      if (job.id === undefined || lane === null) {
        // Foreign data under the id. BullMQ removes the job as done, and the sweep restores the job of the record.
        const err = new Error(`reading upload job ${job.id ?? ''}: its data is not from the sink; the job is removed`);
        log.warn({ err }, 'foreign upload job');
        return;
      }
      try {
        await options.upload(lane, job.id, signal ?? new AbortController().signal);
      } catch (error) {
        throw new UploadAttemptFailed(error);
      }
    };
    this.#worker = new PatientWorker(queueName(options.spoolId ?? null), process, {
      connection,
      prefix: queuePrefix(sinkName),
      autorun: false,
      concurrency: options.concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs === LOCK_MS ? STALLED_CHECK_MS : lockMs / 2,
      // Otherwise a job would fail after it stalled twice.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      limiter: LIMITER,
      settings: {
        backoffStrategy: (attempt, _type, error) =>
          retryDelayMs(attempt, options.paceOf(error?.cause), retryTimes, random()),
      },
    });
    this.#worker.gaveJob = () => errors.succeeded();
    this.#worker.on('error', (err) => {
      errors.failed({ err }, { problem: `Redis refuses to give upload jobs: ${err.message}` });
      // A wait for jobs that goes well reports nothing.
      clearTimeout(this.#quiet);
      this.#quiet = setTimeout(() => errors.succeeded(), QUIET_MS).unref();
    });
    this.#worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) this.#worker.cancelJob(id, 'lock_lost' satisfies UploadLost);
    });
    this.ended = this.#worker.run();
    this.ended.catch(() => undefined);
  }

  /** Running uploads continue. More begin when the next one ends, or within some seconds when none runs. */
  setConcurrency(concurrency: number): void {
    this.#worker.concurrency = concurrency;
  }

  /**
   * Takes no more jobs. Running jobs continue for `graceMs` and are then aborted. Uploads that do not end within
   * another second are abandoned: other workers take over their jobs, as if this process had ended.
   */
  async close(graceMs: number): Promise<void> {
    const abort = setTimeout(() => this.#worker.cancelAllJobs('stopping' satisfies UploadLost), graceMs);
    let giveUp: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      giveUp = setTimeout(() => {
        this.#worker.abandon();
        resolve();
      }, graceMs + 1_000);
    });
    try {
      await Promise.race([this.#worker.close(), late]);
    } finally {
      clearTimeout(this.#quiet);
      clearTimeout(abort);
      clearTimeout(giveUp);
      this.#connection.disconnect();
    }
  }
}

/** A worker that waits before it asks again after Redis refused to give a job. */
class PatientWorker extends Worker<UploadJob> {
  /** Called when Redis was asked for a job and answered. */
  gaveJob: () => void = () => undefined;

  /** Behaves as if the process had ended: renews no locks and reports nothing. */
  abandon(): void {
    this.removeAllListeners();
    this.on('error', () => undefined);
    this.lockManager.close().catch(() => undefined);
    this.disconnect().catch(() => undefined);
  }

  /** Without a time, BullMQ would wait a tenth of a second after a refusal of the command that waits for jobs. */
  override delay(...[milliseconds, controller]: Parameters<Worker['delay']>): Promise<void> {
    return super.delay(milliseconds ?? REFUSED_WAIT_MS, controller);
  }

  /** Foreign data may not even be JSON, and BullMQ would fail on it again and again. */
  protected override createJob(data: JobJson, jobId: string): Job<UploadJob> {
    return super.createJob(laneOfText(data.data) === null ? { ...data, data: 'null' } : data, jobId);
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job<UploadJob>> {
    try {
      const job = await super.moveToActive(token, name);
      this.gaveJob();
      return job;
    } catch (error) {
      if (!this.closing) await this.delay(REFUSED_WAIT_MS);
      throw error;
    }
  }
}

/**
 * The wait before the next attempt, at least 1 ms (with 0, BullMQ would put the job at the front of the queue at once).
 *
 * @param attempt attempts made so far, from 1
 * @param random uniform in [0, 1)
 */
export function retryDelayMs(attempt: number, pace: RetryPace, times: RetryTimes, random: number): number {
  if (pace === 'slow') return Math.ceil(times.slowMs * (1 + random));
  return Math.max(1, backoffMs(attempt, times, random));
}

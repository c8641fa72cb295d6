import { backoffMs } from '@sink/domain';
import { type Job, type JobJson, Worker } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { type FailureLog, FailureReporter, systemClock } from '@sink/runtime';
import { laneOf, laneOfText, queueName, queuePrefix, type UploadJob } from './upload-job.ts';
import { LOG_EVERY_MS } from './upload-queue.ts';

/** A job whose worker died is taken over after this and the stalled check that follows; renewed in half the time. */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 7_500;
/** The wait after Redis refused to hand out a job (at maxmemory, or without the right to): BullMQ itself asks on at once. */
const REFUSED_WAIT_MS = 1_000;
/** The global limit that `UploadQueue.holdFor` needs to be heeded; never reached by itself. */
const LIMITER = { max: 1_000_000_000, duration: 1_000 };
/** Of a failure's message, kept in Redis with the job. */
const REASON_LENGTH_MAX = 300;

/**
 * How soon a failed upload is tried again. `ordinary`: what may have passed in a second (capped exponential backoff with
 * full jitter). `slow`: what a person has to mend first.
 */
export type RetryPace = 'ordinary' | 'slow';

export interface RetryTimes {
  /** Bound of the first ordinary wait, and of all of them. */
  readonly baseMs: number;
  readonly capMs: number;
  /** A slow wait is between this and twice this. */
  readonly slowMs: number;
}

export const RETRY_TIMES: RetryTimes = { baseMs: 500, capMs: 30_000, slowMs: 30_000 };

export type UploadLost = 'lock_lost' | 'stopping';

export interface UploadWorkerOptions {
  /** Takes what is spilled into this spool directory; absent: from the common queue. */
  readonly spoolId?: string;
  /** Uploads at a time, 1 or more. */
  readonly concurrency: number;
  /**
   * Does one upload. Throws for whatever is to be tried again. The signal aborts when somebody else may have taken the job
   * over, or `close` has no more time.
   */
  readonly upload: (lane: number, segmentId: string, signal: AbortSignal) => Promise<void>;
  readonly paceOf: (error: unknown) => RetryPace;
  /** Gets the errors of the worker and its connections, one per second at most. */
  readonly log: FailureLog;
  readonly random?: () => number;
  readonly retryTimes?: RetryTimes;
  /** For tests; see LOCK_MS. */
  readonly lockMs?: number;
}

/** What BullMQ stores of a failure: one bounded line. The failure itself is its cause. */
class UploadAttemptFailed extends Error {
  constructor(cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(message.slice(0, REASON_LENGTH_MAX), { cause });
    this.name = 'UploadAttemptFailed';
  }
}

/** Takes uploads from the queue, and tries each until it succeeds. */
export class UploadWorker {
  /** Settles when the worker has ended: after `close`, or, with an error, by a fault of its own. */
  readonly ended: Promise<void>;
  readonly #worker: PatientWorker;
  readonly #connection: Redis | Cluster;

  /**
   * @param connection of the role `queue`; a second one is made from it, for waiting. Both are the worker's own from now
   *   on, and `close` ends them.
   */
  constructor(connection: Redis | Cluster, sinkName: string, options: UploadWorkerOptions) {
    this.#connection = connection;
    const { random = Math.random, retryTimes = RETRY_TIMES, lockMs = LOCK_MS } = options;
    const errors = new FailureReporter(
      { log: options.log, clock: systemClock },
      { name: 'upload worker', logEveryMs: LOG_EVERY_MS, working: null },
    );
    const process = async (job: Job<UploadJob>, _token: string | undefined, signal?: AbortSignal): Promise<void> => {
      const lane = laneOf(job.data);
      if (job.id === undefined || lane === null) {
        // Foreign data under the id: as done, it goes, and the sweep gives the record its job again.
        const err = new Error(`reading upload job ${job.id ?? ''}: its data is not ours; the job is dropped`);
        errors.failed({ err });
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
      // Two stalls in a job's life would make it fail otherwise.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      limiter: LIMITER,
      settings: {
        backoffStrategy: (attempt, _type, error) =>
          retryDelayMs(attempt, options.paceOf(error?.cause), retryTimes, random()),
      },
    });
    this.#worker.on('error', (err) => errors.failed({ err }));
    this.#worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) this.#worker.cancelJob(id, 'lock_lost' satisfies UploadLost);
    });
    this.ended = this.#worker.run();
    this.ended.catch(() => undefined);
  }

  /**
   * Takes no more jobs, lets those that run go on for `graceMs`, aborts them then, and gives up on what does not end within
   * a second after that (their jobs are taken over like those of a dead worker).
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
      clearTimeout(abort);
      clearTimeout(giveUp);
      this.#connection.disconnect();
    }
  }
}

/** A worker that does not ask again at once when Redis refuses to hand out a job. */
class PatientWorker extends Worker<UploadJob> {
  /** As if the process had died: locks are renewed no more, and nothing is said any more. */
  abandon(): void {
    this.removeAllListeners();
    this.on('error', () => undefined);
    this.lockManager.close().catch(() => undefined);
    this.disconnect().catch(() => undefined);
  }

  /** Data that is not ours may not even be JSON: BullMQ would stumble over it again and again. */
  protected override createJob(data: JobJson, jobId: string): Job<UploadJob> {
    return super.createJob(laneOfText(data.data) === null ? { ...data, data: 'null' } : data, jobId);
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job<UploadJob>> {
    try {
      return await super.moveToActive(token, name);
    } catch (error) {
      if (!this.closing) await this.delay(REFUSED_WAIT_MS);
      throw error;
    }
  }
}

/**
 * The wait before the next try, at least 1 ms (0 would put the job back at the front of the queue at once).
 *
 * @param attempt tries made so far, from 1
 * @param random uniform in [0, 1)
 */
export function retryDelayMs(attempt: number, pace: RetryPace, times: RetryTimes, random: number): number {
  if (pace === 'slow') return Math.ceil(times.slowMs * (1 + random));
  return Math.max(1, backoffMs(attempt, times, random));
}

import { Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { type FailureLog, FailureReporter, systemClock } from '@sink/runtime';
import { jobOptions, laneOf, laneOfText, queueName, queuePrefix, type UploadJob } from './upload-job.ts';

/** Ids in one pipeline, and jobs in one script: limits how long one request occupies Redis. */
const PAGE = 200;
/** Entries in BullMQ's stream of events, which the sink does not read. */
const EVENTS_MAX = 100;
const ANSWER_TIMEOUT_MS = 5_000;
/** Time between two errors of BullMQ in the log: it reports no end of them. */
const LOG_EVERY_MS = 1_000;

/** Redis did not answer in time. It may still execute the command. Every command of the queue may be repeated. */
export class UploadQueueInDoubt extends Error {
  readonly code = 'in_doubt';
  readonly retryable = true;
  constructor(action: string, options?: ErrorOptions) {
    super(`${action}: no answer from Redis`, options);
    this.name = 'UploadQueueInDoubt';
  }
}

export interface UploadQueueOptions {
  /** Gets the errors of the queue and its connection, one per second at most. */
  readonly log: FailureLog;
  /** The queue of the segments that are spilled into this spool directory; absent: the common queue. */
  readonly spoolId?: string;
  /** How long one request waits for its answer; default 5,000. */
  readonly answerTimeoutMs?: number;
}

export interface UploadCounts {
  /** Ready for a worker. */
  readonly waiting: number;
  readonly active: number;
  /** Waiting for their next attempt. */
  readonly delayed: number;
  /** Only a bug makes a job fail for good; the sweep restores it. */
  readonly failed: number;
}

/** A sealed segment whose last attempt to upload failed. */
export interface WaitingUpload {
  readonly segmentId: string;
  readonly lane: number;
  readonly attempts: number;
  /** The error of the last attempt. */
  readonly reason: string;
}

/**
 * The queue of uploads: one BullMQ job per sealed segment. The job's id is the id of the segment, so a job is added
 * only once. All requests throw UploadQueueInDoubt if Redis does not answer in time, or the error of Redis. All may be
 * repeated.
 */
export class UploadQueue {
  readonly #queue: Queue<UploadJob>;
  readonly #connection: Redis | Cluster;
  readonly #timeoutMs: number;
  readonly #log: FailureLog;

  /** @param connection of the role `queue`. The queue owns it from now on, and `close` closes it. */
  constructor(connection: Redis | Cluster, sinkName: string, options: UploadQueueOptions) {
    this.#connection = connection;
    this.#log = options.log;
    this.#timeoutMs = options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
    const errors = new FailureReporter(
      { log: options.log, clock: systemClock },
      { name: 'upload queue', logEveryMs: LOG_EVERY_MS, working: null },
    );
    this.#queue = new Queue<UploadJob>(queueName(options.spoolId ?? null), {
      connection,
      prefix: queuePrefix(sinkName),
      defaultJobOptions: jobOptions,
      streams: { events: { maxLen: EVENTS_MAX } },
    });
    this.#queue.on('error', (err) => errors.failed({ err }));
  }

  /** Adds the job of a sealed segment. The seal must be durable first (docs/protocol.md, invariant 4). */
  async add(lane: number, segmentId: string): Promise<void> {
    await this.#ask(`queueing the upload of segment ${segmentId}`, () =>
      this.#queue.add('upload', { lane }, { jobId: segmentId }),
    );
  }

  /** Removes a job that no worker holds. Does nothing if there is no such job. */
  async remove(segmentId: string): Promise<void> {
    await this.#ask(`taking back the upload of segment ${segmentId}`, () => this.#queue.remove(segmentId));
  }

  /**
   * Whether each of these segments has a job, in any state. A foreign key under a segment's id is removed, because the
   * segment could never get a job otherwise.
   */
  async has(segmentIds: readonly string[]): Promise<boolean[]> {
    const found: boolean[] = [];
    for (let start = 0; start < segmentIds.length; start += PAGE) {
      const ids = segmentIds.slice(start, start + PAGE);
      // Both in one transaction, because a job may be added or removed between two requests.
      const looks = this.#connection.multi();
      for (const id of ids) looks.exists(this.#queue.toKey(id)).hget(this.#queue.toKey(id), 'data');
      const answers = (await this.#ask('looking for upload jobs', () => looks.exec())) ?? [];
      for (const [index, id] of ids.entries()) {
        const [existsError, exists] = answers[index * 2] ?? [new Error('no answer'), null];
        const [readError, data] = answers[index * 2 + 1] ?? [null, null];
        if (existsError) throw existsError;
        const foreign = exists === 1 && (readError !== null || laneOfText(data) === null);
        found.push(foreign ? !(await this.#removeForeign(id)) : exists === 1);
      }
    }
    return this.#withoutStranded(segmentIds, found);
  }

  /**
   * A script of BullMQ that Redis ended half-way, because the user lost a permission, leaves a job that is in no list: no
   * worker would ever get it. They are looked for only if there are more jobs than the lists have, and removed.
   */
  async #withoutStranded(ids: readonly string[], found: readonly boolean[]): Promise<boolean[]> {
    const { waiting, active, delayed, failed } = await this.counts();
    if (found.filter(Boolean).length <= waiting + active + delayed + failed) return [...found];
    const left: boolean[] = [];
    for (const [index, id] of ids.entries()) {
      left.push(found[index] === true && !(await this.#removeStranded(id)));
    }
    return left;
  }

  /** @returns false also for a job that ended meanwhile */
  async #removeStranded(id: string): Promise<boolean> {
    const state = await this.#ask('looking for an upload job', () => this.#queue.getJobState(id));
    if (state !== 'unknown') return false;
    return (await this.#ask('removing a stranded upload job', () => this.#queue.remove(id))) === 1;
  }

  /** Restores one page of failed jobs. @returns how many failed jobs there were */
  async reviveFailed(): Promise<number> {
    const { failed } = await this.counts();
    if (failed > 0) {
      await this.#ask('reviving failed uploads', () => this.#queue.retryJobs({ state: 'failed', count: PAGE }));
    }
    return failed;
  }

  /** Ends the waits of all delayed jobs, if the store works again or the uploader stops. */
  async promoteDelayed(): Promise<void> {
    await this.#ask('promoting delayed uploads', () => this.#queue.promoteJobs({ count: PAGE }));
  }

  /**
   * One page, from `start`, of the jobs that failed and wait for their next attempt; `next` is the start of the next
   * page.
   */
  async waitingToRetry(start: number): Promise<{ uploads: WaitingUpload[]; next: number | null }> {
    const jobs = await this.#ask('listing uploads', () =>
      this.#queue.getJobs(['delayed', 'failed', 'wait', 'prioritized'], start, start + PAGE - 1, true),
    );
    const uploads = jobs.flatMap((job) => {
      const lane = laneOf(job.data);
      if (job.id === undefined || lane === null || job.attemptsMade === 0) return [];
      return [{ segmentId: job.id, lane, attempts: job.attemptsMade, reason: job.failedReason }];
    });
    return { uploads, next: jobs.length === 0 ? null : start + PAGE };
  }

  /** Ends the wait of one job. @returns false if there is no such job, or if it does not wait for its next attempt */
  async retry(segmentId: string): Promise<boolean> {
    const job = await this.#ask(`looking for the upload of segment ${segmentId}`, () => this.#queue.getJob(segmentId));
    const state = await job?.getState();
    if (state === 'delayed') await this.#ask('ending the wait of an upload', () => job?.promote() ?? Promise.resolve());
    else if (state === 'failed') await this.#ask('reviving an upload', () => job?.retry() ?? Promise.resolve());
    return state === 'delayed' || state === 'failed';
  }

  /** Ends `holdFor` early. */
  async endHold(): Promise<void> {
    await this.#ask('ending the hold of uploads', () => this.#queue.removeRateLimitKey());
  }

  /** For so long no worker of this queue takes a job, in any process. Running jobs continue. */
  async holdFor(holdMs: number): Promise<void> {
    await this.#ask('holding uploads', () => this.#queue.rateLimit(holdMs));
  }

  async counts(): Promise<UploadCounts> {
    const counts = await this.#ask('counting uploads', () =>
      this.#queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed'),
    );
    const sum = (...states: string[]): number => states.reduce((total, state) => total + (counts[state] ?? 0), 0);
    return {
      waiting: sum('wait', 'prioritized'),
      active: sum('active'),
      delayed: sum('delayed'),
      failed: sum('failed'),
    };
  }

  /** Closes the connection. Open requests end in doubt. */
  async close(): Promise<void> {
    const closing = this.#queue.close();
    this.#connection.disconnect();
    await closing.catch(() => undefined);
  }

  /** @returns false if a worker holds it; the next call finds it again */
  async #removeForeign(id: string): Promise<boolean> {
    const key = this.#queue.toKey(id);
    this.#log.warn({ err: new Error(`${key} is not an upload job of the sink`), suppressed: 0 }, 'foreign key removed');
    try {
      return (await this.#ask('removing a foreign upload job', () => this.#queue.remove(id))) === 1;
    } catch (error) {
      // The key is not even a hash.
      if (!(error instanceof Error && error.message.includes('WRONGTYPE'))) throw error;
      return (await this.#ask('removing a foreign key', () => this.#connection.unlink(key))) === 1;
    }
  }

  #ask<T>(action: string, request: () => Promise<T>): Promise<T> {
    return withDeadline(action, this.#timeoutMs, request());
  }
}

/**
 * Limits the time of a request: the queue's connection waits for Redis without limit, as BullMQ needs it, but callers
 * must not.
 */
async function withDeadline<T>(action: string, timeoutMs: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UploadQueueInDoubt(action)), timeoutMs);
  });
  // The answer may still reject after the deadline.
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

import { Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { type FailureLog, FailureReporter, systemClock } from '@sink/runtime';
import { jobOptions, laneOf, laneOfText, queueName, queuePrefix, type UploadJob } from './upload-job.ts';

/** Ids in one pipeline, and jobs moved in one script: bounds the time Redis is busy with one request. */
const PAGE = 200;
/** Entries kept of BullMQ's stream of events, which nobody here reads. */
const EVENTS_MAX = 100;
const ANSWER_TIMEOUT_MS = 5_000;
/** Time between two errors of BullMQ in the log: it reports no end of them. */
export const LOG_EVERY_MS = 1_000;

/** Redis did not answer in time. The command may still be executed: every command of the queue may be repeated. */
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
  /** The queue of what is spilled into this spool directory; absent: the common one. */
  readonly spoolId?: string;
  /** How long one request waits for an answer; default 5,000. */
  readonly answerTimeoutMs?: number;
}

export interface UploadCounts {
  /** Ready to be taken by a worker. */
  readonly waiting: number;
  readonly active: number;
  /** Waiting for their next try. */
  readonly delayed: number;
  /** Only bugs put a job here; the sweep revives it. */
  readonly failed: number;
}

/** A sealed segment whose upload was tried and failed. */
export interface WaitingUpload {
  readonly segmentId: string;
  readonly lane: number;
  readonly attempts: number;
  /** What the last try failed with. */
  readonly reason: string;
}

/**
 * The queue of uploads: one BullMQ job a sealed segment, whose id is the segment's id, so that adding twice is adding once.
 * All requests throw UploadQueueInDoubt without an answer in time, or what Redis said; all of them may be repeated.
 */
export class UploadQueue {
  readonly #queue: Queue<UploadJob>;
  readonly #connection: Redis | Cluster;
  readonly #timeoutMs: number;
  readonly #log: FailureLog;

  /** @param connection of the role `queue`; it is the queue's own from now on, and `close` ends it */
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

  /** Gives a sealed segment its job. Only for a seal that is as durable as asked for (design, invariant 4). */
  async add(lane: number, segmentId: string): Promise<void> {
    await this.#ask(`queueing the upload of segment ${segmentId}`, () =>
      this.#queue.add('upload', { lane }, { jobId: segmentId }),
    );
  }

  /** Takes a job back that nobody works on just now; one that is gone already is fine. */
  async remove(segmentId: string): Promise<void> {
    await this.#ask(`taking back the upload of segment ${segmentId}`, () => this.#queue.remove(segmentId));
  }

  /**
   * Whether each of these segments has a job, in whatever state. What is no job of ours under a segment's id is removed: it
   * would keep the segment from ever getting one.
   */
  async has(segmentIds: readonly string[]): Promise<boolean[]> {
    const found: boolean[] = [];
    for (let start = 0; start < segmentIds.length; start += PAGE) {
      const ids = segmentIds.slice(start, start + PAGE);
      // Both at one moment: a job may come or go between two.
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
    return found;
  }

  /** Puts failed jobs back to work, a page at a time. @returns how many there were */
  async reviveFailed(): Promise<number> {
    const { failed } = await this.counts();
    if (failed > 0) {
      await this.#ask('reviving failed uploads', () => this.#queue.retryJobs({ state: 'failed', count: PAGE }));
    }
    return failed;
  }

  /** Ends the waits of all delayed jobs: for when the store is back, or there is no time to wait. */
  async promoteDelayed(): Promise<void> {
    await this.#ask('promoting delayed uploads', () => this.#queue.promoteJobs({ count: PAGE }));
  }

  /** A page, from `start` on, of the jobs whose last try failed and that wait for the next one; `next` is the next start. */
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

  /** Ends the wait of one job. @returns false when there is no such job, or it is not waiting for its next try */
  async retry(segmentId: string): Promise<boolean> {
    const job = await this.#ask(`looking for the upload of segment ${segmentId}`, () => this.#queue.getJob(segmentId));
    const state = await job?.getState();
    if (state === 'delayed') await this.#ask('ending the wait of an upload', () => job?.promote() ?? Promise.resolve());
    else if (state === 'failed') await this.#ask('reviving an upload', () => job?.retry() ?? Promise.resolve());
    return state === 'delayed' || state === 'failed';
  }

  /** Ends `holdFor` before its time. */
  async endHold(): Promise<void> {
    await this.#ask('ending the hold of uploads', () => this.#queue.removeRateLimitKey());
  }

  /** No worker of this queue, in any process, takes a job for so long; jobs that run go on. It ends by itself. */
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

  /** Ends the connection; requests under way end in doubt. */
  async close(): Promise<void> {
    const closing = this.#queue.close();
    this.#connection.disconnect();
    await closing.catch(() => undefined);
  }

  /** @returns false when a worker holds it just now: the next look will find it again */
  async #removeForeign(id: string): Promise<boolean> {
    const key = this.#queue.toKey(id);
    this.#log.warn({ err: new Error(`${key} is no upload job of ours`), suppressed: 0 }, 'foreign key removed');
    try {
      return (await this.#ask('removing a foreign upload job', () => this.#queue.remove(id))) === 1;
    } catch (error) {
      // Not even a hash.
      if (!(error instanceof Error && error.message.includes('WRONGTYPE'))) throw error;
      return (await this.#ask('removing a foreign key', () => this.#connection.unlink(key))) === 1;
    }
  }

  #ask<T>(action: string, request: () => Promise<T>): Promise<T> {
    return withDeadline(action, this.#timeoutMs, request());
  }
}

/**
 * The queue's connection waits for Redis for as long as it takes (BullMQ needs it so); who asks something of the queue
 * does not.
 */
async function withDeadline<T>(action: string, timeoutMs: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UploadQueueInDoubt(action)), timeoutMs);
  });
  // Whoever loses the race may still reject: nobody is listening any more.
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

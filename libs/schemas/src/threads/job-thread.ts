import { setTimeout as delay } from 'node:timers/promises';
import { type ResourceLimits, Worker } from 'node:worker_threads';

export interface JobThreadSettings {
  readonly file: URL;
  readonly limits: ResourceLimits;
  /** How much of a processor's time a job may take. */
  readonly deadlineMs: number;
  /** Jobs that wait for their turn. */
  readonly waitingMax: number;
  /** What they take of memory. One that waits alone may take more. */
  readonly waitingBytesMax: number;
  /** How long the thread is kept without a job. */
  readonly idleMs: number;
}

/**
 * How a job ended.
 *
 * - `overrun`: it used up its time, or its memory. What it was given is at fault.
 * - `late`: it had no turn, or no processor for so long, in several times its time. This machine is at fault.
 */
export type JobOutcome<Answer> =
  { readonly kind: 'done'; readonly answer: Answer } | { readonly kind: 'overrun' } | { readonly kind: 'late' };

/** What a thread posts: first of all without an answer, when it has loaded its modules. */
export interface ThreadAnswer<Answer> {
  readonly answer: Answer;
  /** What it has had of the processor so far. */
  readonly cpuMs: number;
}

interface Job<Answer> {
  /** Made when its turn comes: it may depend on what the thread has been given before. */
  readonly message: (thread: Worker) => unknown;
  readonly bytes: number;
  readonly untilMs: number;
  readonly done: (outcome: JobOutcome<Answer>) => void;
}

/** A new thread loads its modules. */
const START_MS_MAX = 10_000;
/** On a busy machine a job may take so many times its time. */
const WAIT_FACTOR = 5;
const ASK_MS_MAX = 100;
const LOOK_MS_MIN = 20;

/**
 * One thread for jobs that strangers have a say in, one at a time. A job that is not done at its deadline ends with its
 * thread, and the next job gets a new one.
 */
export class JobThread<Answer> {
  readonly #settings: JobThreadSettings;
  readonly #waiting: Job<Answer>[] = [];
  #waitingBytes = 0;
  #thread: Worker | null = null;
  #busy = false;
  #idle: NodeJS.Timeout | null = null;
  #closed = false;
  /** What the thread had had of the processor when it answered last. */
  #cpuMs = 0;

  constructor(settings: JobThreadSettings) {
    this.#settings = settings;
  }

  /** @param untilMs nobody waits for its answer after that, by the clock of `performance` @param bytes that it holds */
  run(message: Job<Answer>['message'], { untilMs = Infinity, bytes = 0 } = {}): Promise<JobOutcome<Answer>> {
    const { waitingMax, waitingBytesMax } = this.#settings;
    const isFull = this.#waiting.length > 0 && this.#waitingBytes + bytes > waitingBytesMax;
    if (this.#closed || isFull || this.#waiting.length >= waitingMax) return Promise.resolve({ kind: 'late' });
    const { promise, resolve } = Promise.withResolvers<JobOutcome<Answer>>();
    this.#waiting.push({ message, bytes, untilMs, done: resolve });
    this.#waitingBytes += bytes;
    void this.#work();
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { done } of this.#waiting.splice(0)) done({ kind: 'late' });
    this.#waitingBytes = 0;
    await this.#end();
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#idle ?? undefined);
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      this.#waitingBytes -= job.bytes;
      if (performance.now() >= job.untilMs) {
        job.done({ kind: 'late' });
        continue;
      }
      // Such as a machine that has no more threads to give.
      job.done(await this.#do(job).catch((): JobOutcome<Answer> => ({ kind: 'late' })));
    }
    this.#busy = false;
    this.#thread?.unref();
    this.#idle = setTimeout(() => void this.#end(), this.#settings.idleMs).unref();
  }

  async #do({ message }: Job<Answer>): Promise<JobOutcome<Answer>> {
    const thread = this.#thread ?? (await this.#start());
    if (thread === null) return { kind: 'late' };
    thread.ref();
    const { promise, resolve } = Promise.withResolvers<JobOutcome<Answer>>();
    const onAnswer = ({ answer, cpuMs }: ThreadAnswer<Answer>): void => {
      this.#cpuMs = cpuMs;
      resolve({ kind: 'done', answer });
    };
    const onExit = (): void => resolve({ kind: this.#closed ? 'late' : 'overrun' });
    thread.once('message', onAnswer);
    thread.once('exit', onExit);
    thread.postMessage(message(thread));
    const ended = new AbortController();
    void this.#watch(thread, ended.signal, resolve);
    const outcome = await promise;
    ended.abort();
    thread.off('message', onAnswer);
    thread.off('exit', onExit);
    return outcome;
  }

  /** Ends the thread when its job is at its deadline, unless the signal says before that it is done. */
  async #watch(thread: Worker, done: AbortSignal, resolve: Job<Answer>['done']): Promise<void> {
    const { deadlineMs } = this.#settings;
    const startedMs = this.#cpuMs;
    const sinceMs = performance.now();
    let leftMs = deadlineMs;
    while (leftMs > 0 && performance.now() - sinceMs < WAIT_FACTOR * deadlineMs) {
      await wait(Math.max(leftMs, LOOK_MS_MIN), done);
      if (done.aborted) return;
      // One that does not say what it had is taken to have been busy.
      leftMs = startedMs + deadlineMs - ((await cpuMsOf(thread)) ?? Infinity);
    }
    // An answer that this process was too late to read comes first.
    await new Promise(setImmediate);
    if (done.aborted) return;
    // Before the thread ends: its exit alone would mean that the job ended it.
    resolve({ kind: leftMs > 0 ? 'late' : 'overrun' });
    await this.#end();
  }

  /** Null: it did not come up in time. */
  async #start(): Promise<Worker | null> {
    const thread = new Worker(this.#settings.file, { resourceLimits: this.#settings.limits, env: {}, execArgv: [] });
    this.#thread = thread;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), START_MS_MAX);
    thread.once('message', ({ cpuMs }: ThreadAnswer<null>) => {
      this.#cpuMs = cpuMs;
      resolve(true);
    });
    // Without a listener, the error of a thread is one of this process. Its exit follows.
    thread.on('error', () => undefined);
    thread.once('exit', () => {
      if (this.#thread === thread) this.#thread = null;
      resolve(false);
    });
    const isUp = await promise;
    clearTimeout(timer);
    if (isUp) return thread;
    await this.#end();
    return null;
  }

  async #end(): Promise<void> {
    const thread = this.#thread;
    this.#thread = null;
    await thread?.terminate();
  }
}

async function wait(ms: number, ended: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal: ended });
  } catch {
    // It has ended.
  }
}

/** What a thread has had of the processor so far; null: it does not say. */
async function cpuMsOf(thread: Worker): Promise<number | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), ASK_MS_MAX);
  try {
    const usage = await Promise.race([thread.cpuUsage(), late]);
    return usage === null ? null : (usage.user + usage.system) / 1000;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

export interface ShutdownOptions {
  /** The time limit of all releasers together. */
  deadlineMs: number;
  clock: Clock;
  log: Logger;
}

/** The time of a releaser that starts after the deadline: enough to close a socket. */
const LAST_CHANCE_MS = 250;

/**
 * A stack of releasers: the part that was opened last is closed first, so everything that a part depends on is still
 * open while the part stops. A releaser that fails or hangs is logged, and the others still run.
 */
export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #releasers: { name: string; release: () => Promise<void> }[] = [];
  #running: Promise<void> | null = null;
  #clean = true;
  #endMs = Number.POSITIVE_INFINITY;

  constructor(options: ShutdownOptions) {
    this.#options = options;
  }

  /** Whether no releaser has failed or exceeded its time. */
  get clean(): boolean {
    return this.#clean;
  }

  /** How long the stop may still take: what the releaser that runs now has, at least LAST_CHANCE_MS. */
  get leftMs(): number {
    return Math.max(LAST_CHANCE_MS, this.#endMs - this.#options.clock.monotonicMs());
  }

  /** Puts a releaser on the stack. One that is added during the stop runs next. */
  add(name: string, release: () => Promise<void>): void {
    this.#releasers.push({ name, release });
  }

  /** Runs every releaser once, the last added first. Never rejects; further calls return the same promise. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { clock, deadlineMs, log } = this.#options;
    const endMs = (this.#endMs = clock.monotonicMs() + deadlineMs);
    for (let next = this.#releasers.pop(); next !== undefined; next = this.#releasers.pop()) {
      const timeoutMs = Math.max(LAST_CHANCE_MS, endMs - clock.monotonicMs());
      const timer = new AbortController();
      try {
        const inTime = await Promise.race([
          next.release().then(() => true),
          clock.sleep(timeoutMs, timer.signal).then(() => false),
        ]);
        if (!inTime) {
          this.#clean = false;
          log.error(
            { part: next.name, deadlineMs },
            'stopping: a part did not stop in time; the stop continues without it',
          );
        }
      } catch (error) {
        this.#clean = false;
        log.error({ part: next.name, err: error }, 'stopping: a part failed to stop; the stop continues');
      } finally {
        timer.abort();
      }
    }
  }
}

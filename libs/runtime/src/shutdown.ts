import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

export interface ShutdownOptions {
  /** For all releasers together. */
  deadlineMs: number;
  clock: Clock;
  log: Logger;
}

/** What a releaser still gets once the deadline of the whole stop has passed: enough to close a socket. */
const LAST_CHANCE_MS = 250;

/**
 * A stack of releasers: what was opened last is closed first, so whatever a part rests on is still there while the
 * part stops. A releaser that fails or hangs is logged and never keeps the rest from running.
 */
export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #releasers: { name: string; release: () => Promise<void> }[] = [];
  #running: Promise<void> | null = null;
  #clean = true;

  constructor(options: ShutdownOptions) {
    this.#options = options;
  }

  /** True as long as no releaser has failed or run out of time. */
  get clean(): boolean {
    return this.#clean;
  }

  /** Puts a releaser on the stack. One added while stopping is still run, next. */
  add(name: string, release: () => Promise<void>): void {
    this.#releasers.push({ name, release });
  }

  /** Runs every releaser once, last added first. Never rejects; calling it again gives the same promise. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { clock, deadlineMs, log } = this.#options;
    const endMs = clock.monotonicMs() + deadlineMs;
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
          log.error({ part: next.name, deadlineMs }, 'stopping: a part did not stop in time, going on without it');
        }
      } catch (error) {
        this.#clean = false;
        log.error({ part: next.name, err: error }, 'stopping: a part failed to stop, going on with the rest');
      } finally {
        timer.abort();
      }
    }
  }
}

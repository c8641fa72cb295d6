import type { RedisFailure } from '@sink/lane';
import type { Readiness } from '@sink/runtime';

/** How requests ended so far. */
export interface StoringCounts {
  /** Requests whose events are stored. */
  readonly stored: number;
  /** Requests that were refused because the backlog is full, or Redis is. */
  readonly full: number;
}

export interface StoringWatchPorts {
  readonly readiness: Pick<Readiness, 'set'>;
  readonly counts: () => StoringCounts;
  /** Stores something that expires, as an append would. Throws what makes that fail. */
  readonly tryStoring: () => Promise<void>;
  /** Whether every lane has some room again, well below its limit. */
  readonly roomAgain: () => Promise<boolean>;
}

/**
 * Whether events are stored: ingest is unready while none is, and appends are refused, or fail. While a load balancer sends
 * nothing there is no append to learn from, so the watch tries by itself then whether it would succeed.
 */
export class StoringWatch {
  readonly #ports: StoringWatchPorts;
  #before: StoringCounts;
  /** The last failure of an append since the last round. */
  #failure: RedisFailure | null = null;
  #storingFails = false;
  #isFull = false;

  constructor(ports: StoringWatchPorts) {
    this.#ports = ports;
    this.#before = ports.counts();
  }

  /** Takes note of an append that failed. */
  failed(failure: RedisFailure): void {
    this.#failure = failure;
  }

  /** Compares with the round before. To be called again and again while Redis answers. */
  async round(): Promise<void> {
    const { counts, roomAgain, readiness } = this.#ports;
    const [before, now] = [this.#before, counts()];
    this.#before = now;
    const failure = this.#failure;
    this.#failure = null;
    if (now.stored > before.stored) {
      this.#storingFails = false;
      this.#isFull = false;
    } else {
      const refused = now.full > before.full;
      this.#isFull = refused || (this.#isFull && !(await roomAgain()));
      this.#storingFails = failure !== null || this.#storingFails;
    }
    readiness.set('room', this.#isFull ? 'the backlog is full; events are held, then refused with 503' : null);
    const problem = this.#storingFails ? await this.#stillFails(failure) : null;
    this.#storingFails = problem !== null;
    readiness.set('storing', problem);
  }

  /** What makes storing fail; null if a try of its own succeeds, and no append failed since the last round. */
  async #stillFails(failure: RedisFailure | null): Promise<string | null> {
    const problemOf = (error: unknown): string =>
      `${error instanceof Error ? error.message : String(error)}; events are held, then refused with 503`;
    try {
      await this.#ports.tryStoring();
      return failure === null ? null : problemOf(failure);
    } catch (error) {
      return problemOf(error);
    }
  }
}

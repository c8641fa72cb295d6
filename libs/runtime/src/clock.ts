import { setTimeout as delay } from 'node:timers/promises';

/** Time as a port: code that waits or stamps gets a clock handed in, so that tests decide what time it is. */
export interface Clock {
  /** Milliseconds since 1970 UTC. May jump; only for stamps and partitions, never for durations. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. For durations and deadlines. */
  monotonicMs(): number;
  /**
   * Resolves after `ms`, or at once when the signal aborts: look at `signal.aborted` afterwards. It never rejects,
   * because being told to stop is an ordinary way to end a wait.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    if (signal?.aborted) return;
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  },
};

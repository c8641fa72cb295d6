import { setTimeout as delay } from 'node:timers/promises';

/** Time as a port: code that waits or reads the time gets a clock, so that tests control the time. */
export interface Clock {
  /** Milliseconds since 1970 UTC. May jump: use it for time stamps and partitions only, never for durations. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never decreases. For durations and deadlines. */
  monotonicMs(): number;
  /**
   * Resolves after `ms`, or at once when the signal aborts; the caller then reads `signal.aborted`. It never rejects,
   * because a stop is an ordinary end of a wait.
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

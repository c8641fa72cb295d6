import type { Clock } from '@sink/runtime';

/** A clock that moves only when a test moves it. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #startMs = Date.now();
  #sleepers: { readonly untilMs: number; readonly wake: () => void }[] = [];

  wallMs(): number {
    return this.#startMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sleepers.push({ untilMs: this.#nowMs + ms, wake: resolve });
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Moves on, and wakes those that have slept long enough. */
  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    const woken = this.#sleepers.filter(({ untilMs }) => untilMs <= this.#nowMs);
    this.#sleepers = this.#sleepers.filter((sleeper) => !woken.includes(sleeper));
    for (const { wake } of woken) wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

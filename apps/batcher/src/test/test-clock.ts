import { type Clock, systemClock } from '@sink/runtime';

/** A clock that runs as the machine's does, and jumps when a test asks for it. Waits take their real time. */
export class TestClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;

  /** @param startMs what the wall clock shows now, Unix time */
  constructor(startMs: number) {
    this.#wallMs = startMs - Date.now();
  }

  wallMs(): number {
    return Date.now() + this.#wallMs;
  }

  monotonicMs(): number {
    return performance.now() + this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal);
  }

  /** Lets time pass on both clocks. */
  pass(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }

  /** Sets the machine's wall clock. */
  setWall(byMs: number): void {
    this.#wallMs += byMs;
  }
}

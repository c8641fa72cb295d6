import type { Clock, Logger } from '@sink/runtime';

/** npm forwards the SIGINT that the terminal has already sent: two SIGINT within this time are one Ctrl-C. */
const SAME_CTRL_C_MS = 500;

/**
 * Turns signals into two AbortSignals: stop in order, and, at a second Ctrl-C, stop at once. Its handlers stay
 * installed for the life of the process.
 */
export class StopSignals {
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  readonly #clock: Clock;
  #firstMs = 0;
  /** Takes SIGHUP in place of a stop; null: it stops. */
  onHangup: (() => void) | null = null;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (name === 'SIGHUP' && this.onHangup !== null) this.onHangup();
        else if (!this.#stop.signal.aborted) {
          log.info({ signal: name }, 'asked to stop');
          this.stopNow();
        } else if (name === 'SIGINT' && this.#clock.monotonicMs() - this.#firstMs >= SAME_CTRL_C_MS) {
          this.#hurry.abort();
        }
      });
    }
  }

  /** Aborts when the stop begins. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts at a second Ctrl-C: from then on everything is killed, in no order. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /** Begins the stop, as a first signal does. */
  stopNow(): void {
    if (this.#stop.signal.aborted) return;
    this.#firstMs = this.#clock.monotonicMs();
    this.#stop.abort();
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

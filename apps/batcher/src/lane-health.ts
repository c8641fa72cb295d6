import type { Logger, Readiness } from '@sink/runtime';
import type { BatcherClock, HealthPort } from './ports.ts';

/** A failure that lasts this long makes the service unready: one that is mended at once is nobody's business. */
const UNREADY_AFTER_MS = 3_000;
/** Time between two lines in the log while it fails. */
const LOG_EVERY_MS = 10_000;

export interface LaneHealthPorts {
  readonly readiness: Pick<Readiness, 'set'>;
  readonly log: Pick<Logger, 'warn' | 'info'>;
  readonly clock: Pick<BatcherClock, 'monotonicMs'>;
}

/** Turns tries that fail, and fail again, into a few lines in the log and one problem in readiness. */
export class LaneHealth implements HealthPort {
  readonly #ports: LaneHealthPorts;
  readonly #what: string;
  #failingSinceMs: number | null = null;
  #loggedAtMs = Number.NEGATIVE_INFINITY;
  #tries = 0;

  /** @param what begins the lines in the log, and is the problem's name: "lane 0" */
  constructor(ports: LaneHealthPorts, what: string) {
    this.#ports = ports;
    this.#what = what;
  }

  failing(reason: unknown): void {
    const { readiness, log, clock } = this.#ports;
    const nowMs = clock.monotonicMs();
    this.#failingSinceMs ??= nowMs;
    this.#tries += 1;
    if (nowMs - this.#failingSinceMs >= UNREADY_AFTER_MS) readiness.set(this.#what, messageOf(reason));
    if (nowMs - this.#loggedAtMs < LOG_EVERY_MS) return;
    this.#loggedAtMs = nowMs;
    log.warn({ err: reason, tries: this.#tries }, `${this.#what}: failing; it is tried again`);
  }

  working(): void {
    if (this.#failingSinceMs === null) return;
    const { readiness, log, clock } = this.#ports;
    const failedMs = Math.round(clock.monotonicMs() - this.#failingSinceMs);
    this.#failingSinceMs = null;
    readiness.set(this.#what, null);
    log.info({ failedMs, tries: this.#tries }, `${this.#what}: working again`);
    this.#tries = 0;
  }
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

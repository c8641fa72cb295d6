import type { Clock } from './clock.ts';
import type { Readiness } from './health.ts';

/** A pino logger is one. */
export interface FailureLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For callers that report failures themselves. */
export const silentLog: FailureLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface FailureReporterPorts {
  readonly log: FailureLog;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Absent: the failure does not make the service unready. */
  readonly readiness?: Pick<Readiness, 'set'>;
}

export interface FailureReporterOptions {
  /** What fails ("lane 0"). It begins the default log lines and names the problem in readiness. */
  readonly name: string;
  /** The log line of a failure; default `<name> fails`. */
  readonly failing?: string;
  /** The log line of the end; default `<name> works again`. Null: the end is not logged. */
  readonly working?: string | null;
  /** The least time between two lines about failures of one kind; default 10,000. */
  readonly logEveryMs?: number;
  /** A failure is logged only after it has lasted this long; default 0. */
  readonly logAfterMs?: number;
  /** A failure makes the service unready only after it has lasted this long; default 0. */
  readonly unreadyAfterMs?: number;
}

/** How one failure differs from what the options say. */
export interface FailureDetails {
  /** Failures of different kinds are logged independently. Kinds come from a bounded set. */
  readonly kind?: string;
  readonly level?: 'warn' | 'error';
  readonly message?: string;
  /** The sentence in readiness; default the message of `err`, else the log line. */
  readonly problem?: string;
}

const LOG_EVERY_MS = 10_000;
/** Kinds whose lines are counted apart; those beyond share one count. */
const KINDS_MAX = 100;

/**
 * Logs a failure when it begins, now and then while it goes on, and its end once; sets its problem in readiness meanwhile.
 * However fast the failures come, and however often they begin and end, the log gets one line of each kind, and one of the
 * end, per `logEveryMs`: at maxmemory a BullMQ worker reports 1,600 errors a second, and a log that fills the disk would
 * stop Redis too.
 */
export class FailureReporter {
  readonly #ports: FailureReporterPorts;
  readonly #options: FailureReporterOptions;
  readonly #kinds = new Map<string, { loggedMs: number; suppressed: number }>();
  #failingSinceMs: number | null = null;
  #tries = 0;
  /** Whether the failure that goes on has a line in the log. */
  #logged = false;

  constructor(ports: FailureReporterPorts, options: FailureReporterOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Whether the last report was a failure. */
  get failing(): boolean {
    return this.#failingSinceMs !== null;
  }

  /** @param fields of the log line; it also gets `tries` and `suppressed`, the failures of this kind that were not logged */
  failed(fields: Readonly<Record<string, unknown>>, details: FailureDetails = {}): void {
    const { log, clock, readiness } = this.#ports;
    const { name, logEveryMs = LOG_EVERY_MS, logAfterMs = 0, unreadyAfterMs = 0 } = this.#options;
    const { level = 'warn', message = this.#options.failing ?? `${name} fails` } = details;
    const nowMs = clock.monotonicMs();
    this.#failingSinceMs ??= nowMs;
    this.#tries += 1;
    const failingMs = nowMs - this.#failingSinceMs;
    if (failingMs >= unreadyAfterMs) readiness?.set(name, details.problem ?? messageOf(fields['err']) ?? message);
    const lines = this.#linesOf(details.kind ?? '');
    if (failingMs < logAfterMs || nowMs - lines.loggedMs < logEveryMs) {
      lines.suppressed += 1;
      return;
    }
    log[level]({ ...fields, tries: this.#tries, suppressed: lines.suppressed }, message);
    lines.loggedMs = nowMs;
    lines.suppressed = 0;
    this.#logged = true;
  }

  succeeded(): void {
    if (this.#failingSinceMs === null) return;
    const { log, clock, readiness } = this.#ports;
    const { name, working = `${name} works again` } = this.#options;
    const failedMs = Math.round(clock.monotonicMs() - this.#failingSinceMs);
    readiness?.set(name, null);
    if (this.#logged && working !== null) log.info({ failedMs, tries: this.#tries }, working);
    this.#failingSinceMs = null;
    this.#tries = 0;
    this.#logged = false;
  }

  #linesOf(kind: string): { loggedMs: number; suppressed: number } {
    const key = this.#kinds.has(kind) || this.#kinds.size < KINDS_MAX ? kind : '';
    const lines = this.#kinds.get(key) ?? { loggedMs: Number.NEGATIVE_INFINITY, suppressed: 0 };
    this.#kinds.set(key, lines);
    return lines;
  }
}

function messageOf(error: unknown): string | null {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : null;
}

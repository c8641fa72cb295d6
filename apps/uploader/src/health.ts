import type { Logger, Readiness } from '@sink/runtime';
import type { FailureKind, UploadFailure } from './failure.ts';

/** One line a kind and code in this time, in milliseconds, whatever number of uploads fails. */
const LOG_EVERY_MS = 10_000;
/** Segments that are named one by one. */
const STUCK_MAX = 100;

/**
 * What operators see of failures: `/readyz` is red with the remedy while a person is needed, and green again with the next
 * success; the log has a line for each kind of failure, one in ten seconds at most.
 */
export class UploadHealth {
  readonly #log: Logger;
  readonly #readiness: Readiness;
  readonly #monotonicMs: () => number;
  readonly #lines = new Map<string, { loggedMs: number; suppressed: number }>();
  /** Segments that do not get into the bucket while others do, with the reason. */
  readonly #stuck = new Map<string, string>();
  #bucketProblem: FailureKind | null = null;
  #failing = false;

  constructor(log: Logger, readiness: Readiness, monotonicMs: () => number) {
    this.#log = log;
    this.#readiness = readiness;
    this.#monotonicMs = monotonicMs;
  }

  /** Whether no upload succeeds before a person does something. */
  get needsPerson(): boolean {
    return this.#bucketProblem !== null;
  }

  stuck(): string[] {
    return [...this.#stuck.keys()];
  }

  failed(segmentId: string, failure: UploadFailure): void {
    const { kind, code, message, remedy } = failure;
    if (kind === 'aborted') return;
    this.#failing = true;
    const sentence = remedy === undefined ? message : `${message}. ${remedy}`;
    if (kind === 'operator' || kind === 'disk') {
      this.#bucketProblem = kind;
      this.#readiness.set(kind === 'operator' ? 'bucket' : 'disk', sentence);
    }
    if (kind === 'segment' && (this.#stuck.has(segmentId) || this.#stuck.size < STUCK_MAX)) {
      this.#stuck.set(segmentId, sentence);
      this.#showStuck();
    }
    const fields = { kind, code, segmentId, ...(remedy === undefined ? {} : { remedy }) };
    const loud = remedy !== undefined || kind === 'unexpected';
    this.#logSometimes(`${kind} ${code}`, (suppressed) => {
      const text = `${message}; it is tried again`;
      if (loud) this.#log.error({ ...fields, suppressed }, text);
      else this.#log.warn({ ...fields, suppressed }, text);
    });
  }

  succeeded(segmentId: string): void {
    this.resolved(segmentId);
    if (!this.#failing) return;
    this.#failing = false;
    this.#bucketProblem = null;
    this.#readiness.set('bucket', null);
    this.#readiness.set('disk', null);
    this.#lines.clear();
    this.#log.info('uploads succeed again');
  }

  /** The segment is committed, by whomever. */
  resolved(segmentId: string): void {
    if (this.#stuck.delete(segmentId)) this.#showStuck();
  }

  #showStuck(): void {
    const [first] = this.#stuck;
    if (first === undefined) this.#readiness.set('segments', null);
    else this.#readiness.set('segments', `${this.#stuck.size} sealed segments do not get into the bucket: ${first[1]}`);
  }

  #logSometimes(key: string, write: (suppressed: number) => void): void {
    const nowMs = this.#monotonicMs();
    const line = this.#lines.get(key);
    if (line && nowMs - line.loggedMs < LOG_EVERY_MS) {
      line.suppressed += 1;
      return;
    }
    this.#lines.set(key, { loggedMs: nowMs, suppressed: 0 });
    write(line?.suppressed ?? 0);
  }
}

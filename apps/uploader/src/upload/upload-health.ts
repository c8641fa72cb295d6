import { type Clock, FailureReporter, type Readiness } from '@sink/runtime';
import type { TraceFields } from '@sink/tracing';
import type { UploaderPorts } from '../compose.ts';
import type { UploadFailure } from './failure.ts';

/** Segments that are named one by one. */
const STUCK_MAX = 100;
/** Redis refuses, or does not answer, for so long while nothing is uploaded. */
const REDIS_UNREADY_AFTER_MS = 3_000;

/**
 * What operators see of failed uploads. `/readyz` is red, and names the remedy, from a failure that needs an operator
 * until the next success; the log has lines of each kind of failure, as FailureReporter limits them.
 */
export class UploadHealth {
  readonly #readiness: Readiness;
  readonly #failures: FailureReporter;
  /** Segments that fail while others succeed, with the reason. */
  readonly #stuck = new Map<string, string>();
  #needsOperator = false;
  /** Whether an upload had a problem that needs an operator, and none succeeded since. */
  #uploadsNeedOperator = false;
  /** Whether the bucket has not been seen to work since the start. */
  #untried = false;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #redisFailsSinceMs: number | null = null;

  constructor(ports: Pick<UploaderPorts, 'log' | 'readiness' | 'clock'>) {
    this.#readiness = ports.readiness;
    const { log, clock } = ports;
    this.#clock = clock;
    this.#failures = new FailureReporter({ log, clock }, { name: 'uploads', working: 'uploads succeed again' });
  }

  /** Whether no upload succeeds until an operator acts. */
  get needsOperator(): boolean {
    return this.#needsOperator;
  }

  get untried(): boolean {
    return this.#untried;
  }

  /** The bucket is tried at start. Until that succeeds, or an upload does, the uploader is not ready. */
  trying(): void {
    this.#untried = true;
    this.#readiness.set('bucket', 'the bucket has not been tried yet');
  }

  trialFailed(failure: UploadFailure): void {
    const { kind, code, message, remedy } = failure;
    if (kind === 'aborted' || !this.#untried) return;
    this.#needsOperator ||= kind === 'operator';
    this.#readiness.set('bucket', problemOf(failure));
    this.#failures.failed(
      { kind, code, ...(remedy === undefined ? {} : { remedy }) },
      {
        kind: `${kind} ${code}`,
        level: remedy === undefined ? 'warn' : 'error',
        message: `${message}; the uploader tries again`,
      },
    );
  }

  /** The bucket takes objects, unless uploads show something else. */
  trialSucceeded(): void {
    if (!this.#untried) return;
    this.#untried = false;
    if (!this.#uploadsNeedOperator) this.#works();
  }

  stuck(): string[] {
    return [...this.#stuck.keys()];
  }

  /** @param trace which trace the segment belongs to */
  failed(segmentId: string, failure: UploadFailure, trace: TraceFields = {}): void {
    const { kind, code, message, remedy } = failure;
    if (kind === 'aborted') return;
    const problem = problemOf(failure);
    if (kind === 'operator' || kind === 'disk') {
      this.#needsOperator = true;
      this.#uploadsNeedOperator = true;
      this.#readiness.set(kind === 'operator' ? 'bucket' : 'disk', problem);
    }
    if (kind === 'redis') {
      this.#redisFailsSinceMs ??= this.#clock.monotonicMs();
      const lastsMs = this.#clock.monotonicMs() - this.#redisFailsSinceMs;
      if (lastsMs >= REDIS_UNREADY_AFTER_MS) this.#readiness.set('commits', problem);
    }
    if (kind === 'segment' && (this.#stuck.has(segmentId) || this.#stuck.size < STUCK_MAX)) {
      this.#stuck.set(segmentId, problem);
      this.#showStuck();
    }
    this.#failures.failed(
      { kind, code, segmentId, ...trace, ...(remedy === undefined ? {} : { remedy }) },
      {
        kind: `${kind} ${code}`,
        level: remedy !== undefined || kind === 'unexpected' ? 'error' : 'warn',
        message: `${message}; the uploader retries it`,
      },
    );
  }

  succeeded(segmentId: string): void {
    this.resolved(segmentId);
    if (this.#failures.failing || this.#untried) this.#works();
  }

  #works(): void {
    this.#untried = false;
    this.#uploadsNeedOperator = false;
    this.#failures.succeeded();
    this.#needsOperator = false;
    this.#redisFailsSinceMs = null;
    for (const name of ['bucket', 'disk', 'commits']) this.#readiness.set(name, null);
  }

  /** The segment is committed, by this uploader or another. */
  resolved(segmentId: string): void {
    if (this.#stuck.delete(segmentId)) this.#showStuck();
  }

  #showStuck(): void {
    const [first] = this.#stuck;
    const problem = first && `${this.#stuck.size} sealed segments cannot be stored in the bucket: ${first[1]}`;
    this.#readiness.set('segments', problem ?? null);
  }
}

/** Message and remedy as one text. Messages of stores end with a full stop, or do not. */
export function problemOf({ message, remedy }: UploadFailure): string {
  return remedy === undefined ? message : `${message.replace(/\.$/, '')}. ${remedy}`;
}

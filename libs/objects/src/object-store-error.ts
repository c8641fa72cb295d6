/**
 * How the caller reacts:
 * - `transient`: retries with backoff;
 * - `throttled`: slows down the whole queue, not only this object;
 * - `operator`: retries slowly, and reports that an operator is needed (`remedy`);
 * - `damaged`: the body is wrong: reads it again, or rebuilds it, before the next attempt.
 */
export type ObjectStoreErrorKind = 'transient' | 'throttled' | 'operator' | 'damaged';

/** The kinds of failures: a bounded set, so that they can be metric labels. */
export type ObjectStoreErrorCode =
  // transient
  | 'aborted'
  | 'timeout'
  | 'unreachable'
  | 'interrupted'
  | 'server_error'
  | 'conflict'
  | 'vanished'
  | 'redirected'
  | 'unexpected'
  // throttled
  | 'throttled'
  // operator
  | 'access_denied'
  | 'unseen'
  | 'no_such_bucket'
  | 'no_credentials'
  | 'unknown_access_key'
  | 'bad_signature'
  | 'expired_token'
  | 'wrong_region'
  | 'clock_skew'
  | 'tls'
  | 'encryption_key'
  | 'not_supported'
  | 'not_s3'
  | 'too_large'
  | 'refused'
  | 'key_taken'
  | 'bad_key'
  | 'disk_full'
  | 'disk_error'
  // damaged
  | 'bad_digest'
  | 'body_damaged'
  | 'body_unreadable';

/** A classified failure, without action and object. */
export interface Failure {
  readonly code: ObjectStoreErrorCode;
  readonly kind: ObjectStoreErrorKind;
  /** What an operator can do, in one or two sentences. Every `operator` failure has it. */
  readonly remedy?: string;
}

/** The error of an ObjectStore. Its message names the action, bucket and key, and the store's answer. */
export class ObjectStoreError extends Error {
  readonly code: ObjectStoreErrorCode;
  readonly kind: ObjectStoreErrorKind;
  /** Whether the same call can succeed later. False only for `damaged`, because the body must be rebuilt first. */
  readonly retryable: boolean;
  readonly remedy?: string;

  constructor(message: string, failure: Failure, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ObjectStoreError';
    this.code = failure.code;
    this.kind = failure.kind;
    this.retryable = failure.kind !== 'damaged';
    if (failure.remedy !== undefined) this.remedy = failure.remedy;
  }
}

/** The error of a call that the caller's signal ended: `timeout` for a deadline, otherwise `aborted`. */
export function abortedError(where: string, signal: AbortSignal): ObjectStoreError {
  const late = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
  const failure: Failure = { code: late ? 'timeout' : 'aborted', kind: 'transient' };
  return new ObjectStoreError(`${where}: ${late ? 'the deadline passed' : 'aborted'}`, failure, signal.reason);
}

export const keyTaken: Failure = {
  code: 'key_taken',
  kind: 'operator',
  remedy:
    'Examine the object with this key and move it elsewhere: the sink did not write it, and does not overwrite it.',
};

/**
 * What the caller does about it:
 * - `transient`: tries again with backoff;
 * - `throttled`: slows the whole queue down, not just this object;
 * - `operator`: keeps trying slowly, and says loudly that a person is needed (`remedy`);
 * - `damaged`: the body is not what it should be: reads it again, or rebuilds it, before the next try.
 */
export type ObjectStoreErrorKind = 'transient' | 'throttled' | 'operator' | 'damaged';

/** What happened; a bounded set, fit for metric labels. */
export type ObjectStoreErrorCode =
  // transient
  | 'aborted'
  | 'timeout'
  | 'unreachable'
  | 'interrupted'
  | 'server_error'
  | 'conflict'
  | 'vanished'
  | 'unexpected'
  // throttled
  | 'throttled'
  // operator
  | 'access_denied'
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

/** A failure and what it means, before it has an action and an object. */
export interface Failure {
  readonly code: ObjectStoreErrorCode;
  readonly kind: ObjectStoreErrorKind;
  /** What a person can do about it: one or two sentences. Given with every `operator` failure. */
  readonly remedy?: string;
}

/** What an ObjectStore throws. The message names the action, bucket and key, and what the store said. */
export class ObjectStoreError extends Error {
  readonly code: ObjectStoreErrorCode;
  readonly kind: ObjectStoreErrorKind;
  /** Whether the same call can succeed later. False only for `damaged`: the body has to be made anew first. */
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

/** The error for a call that its caller's signal ended: `timeout` for a deadline, `aborted` for anything else. */
export function abortedError(where: string, signal: AbortSignal): ObjectStoreError {
  const late = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
  const failure: Failure = { code: late ? 'timeout' : 'aborted', kind: 'transient' };
  return new ObjectStoreError(`${where}: ${late ? 'the deadline passed' : 'aborted'}`, failure, signal.reason);
}

export const keyTaken: Failure = {
  code: 'key_taken',
  kind: 'operator',
  remedy:
    'Look at the object under this key and move it elsewhere: it is not what we wrote, and it is not overwritten.',
};

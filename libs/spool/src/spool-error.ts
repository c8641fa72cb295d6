/**
 * - `spool_gone`: the instance's folder was removed during the work; the instance needs a new one.
 * - `disk_full`: no room, or over quota; the same may work later.
 * - `too_many_files`: the process or the machine is out of file descriptors; the same may work later.
 * - `not_permitted`: access denied, or a read-only file system; needs an operator.
 * - `segment_exists`: there is a file of that segment id already; segment ids are new at every attempt.
 * - `segment_damaged`: the file is truncated or changed, or it is not a segment file.
 * - `segment_version`: a newer release wrote the file; it is left untouched.
 * - `record_too_large`: a record does not fit into the footer.
 * - `bad_name`: an instance or segment id that must not become a file name.
 * - `io`: anything else the operating system answered; see `cause`.
 */
export type SpoolErrorCode =
  | 'spool_gone'
  | 'disk_full'
  | 'too_many_files'
  | 'not_permitted'
  | 'segment_exists'
  | 'segment_damaged'
  | 'segment_version'
  | 'record_too_large'
  | 'bad_name'
  | 'io';

/** A failure with segment files. `retryable`: the same call may succeed later without an operator. */
export class SpoolError extends Error {
  readonly code: SpoolErrorCode;
  readonly retryable: boolean;

  /** @param action what failed, with the file: the message begins with it */
  constructor(code: SpoolErrorCode, action: string, problem: string, cause?: unknown) {
    super(`${action}: ${problem}`, cause === undefined ? undefined : { cause });
    this.name = 'SpoolError';
    this.code = code;
    this.retryable = code === 'disk_full' || code === 'too_many_files';
  }
}

const codeOfErrno: Readonly<Record<string, SpoolErrorCode>> = {
  ENOENT: 'spool_gone',
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EMFILE: 'too_many_files',
  ENFILE: 'too_many_files',
  EACCES: 'not_permitted',
  EPERM: 'not_permitted',
  EROFS: 'not_permitted',
  EEXIST: 'segment_exists',
};

/** An error of the operating system as a SpoolError; a SpoolError is returned unchanged. */
export function toSpoolError(action: string, cause: unknown): SpoolError {
  if (cause instanceof SpoolError) return cause;
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new SpoolError(codeOfErrno[errnoOf(cause) ?? ''] ?? 'io', action, problem, cause);
}

/** The operating system's name of an error, such as ENOENT. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Awaits an operation and converts its error into a SpoolError. */
export async function attempting<T>(action: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw toSpoolError(action, error);
  }
}

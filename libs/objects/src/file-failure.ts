import type { Failure } from './object-store-error.ts';

/** Classifies the error of an operation on the files of a bucket, by Node's error code. */
export function classifyFileFailure(error: unknown, directory: string): Failure {
  switch (fileCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return operator('disk_full', `Make room on the disk of ${directory}, or raise its quota.`);
    case 'EACCES':
    case 'EPERM':
      return operator('access_denied', `Allow this process to write to ${directory}.`);
    case 'EROFS':
      return operator('access_denied', `${directory} is mounted read-only: mount it writable.`);
    case 'ENOTDIR':
    case 'EISDIR':
      return operator('bad_key', `There is a file in place of a directory in ${directory}, or the reverse: move it.`);
    case 'ENAMETOOLONG':
      return operator('bad_key', 'The path is longer than the file system allows: shorten `prefix`.');
    case 'EFBIG':
      return operator(
        'too_large',
        `The file system of ${directory} does not allow files of this size: lower \`flush_bytes\`.`,
      );
    case 'EIO':
      return operator('disk_error', `The disk of ${directory} reports errors: check the kernel's log.`);
    case 'EMFILE':
    case 'ENFILE':
      return { code: 'unexpected', kind: 'transient', remedy: 'Raise the limit of open files (ulimit -n).' };
    default:
      // ENOENT too: the directory was removed, and the next attempt creates it again.
      return { code: 'unexpected', kind: 'transient' };
  }
}

/** Node's code of an error; empty if it has none. */
export function fileCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function operator(code: Failure['code'], remedy: string): Failure {
  return { code, kind: 'operator', remedy };
}

import type { Failure } from './object-store-error.ts';

/** Classifies what an operation on the files of a bucket failed with, by Node's error code. */
export function classifyFileFailure(error: unknown, directory: string): Failure {
  switch (fileCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return operator('disk_full', `Make room on the disk of ${directory}, or raise its quota.`);
    case 'EACCES':
    case 'EPERM':
      return operator('access_denied', `Allow this process to write in ${directory}.`);
    case 'EROFS':
      return operator('access_denied', `${directory} is mounted read-only: mount it writable.`);
    case 'ENOTDIR':
    case 'EISDIR':
      return operator(
        'bad_key',
        `A file stands where ${directory} needs a directory, or the other way round: move it.`,
      );
    case 'ENAMETOOLONG':
      return operator('bad_key', 'The path is longer than the file system allows: shorten `prefix`.');
    case 'EFBIG':
      return operator(
        'too_large',
        `The file system of ${directory} takes no file of this size: lower \`flush_bytes\`.`,
      );
    case 'EIO':
      return operator('disk_error', `The disk of ${directory} reports errors: look at the kernel's log.`);
    case 'EMFILE':
    case 'ENFILE':
      return { code: 'unexpected', kind: 'transient', remedy: 'Raise the limit of open files (ulimit -n).' };
    default:
      // ENOENT too: somebody removed the directory underneath us, and the next attempt makes it again.
      return { code: 'unexpected', kind: 'transient' };
  }
}

/** Node's code of an error, or an empty text. */
export function fileCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function operator(code: Failure['code'], remedy: string): Failure {
  return { code, kind: 'operator', remedy };
}

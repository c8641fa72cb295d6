import { StartError } from '../start-error.ts';

/** With less, not even the small files of a start can be written. */
const NEEDED_MIB = 4;

/** What a failed write says if the disk, or the user's part of it, has no byte left; null for other failures. */
export function diskFull(directory: string, cause: unknown): StartError | null {
  if (!(cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT'))) return null;
  const remedy = `free ${NEEDED_MIB} MiB or grow the volume by as much`;
  const more = 'if its Redis needs more to begin with, the next start says how much';
  return new StartError('disk_full', `the volume of ${directory} is full: ${remedy}; ${more}`, { cause });
}

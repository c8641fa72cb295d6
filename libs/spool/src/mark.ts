import { access, rename } from 'node:fs/promises';
import { syncDirectory } from './directory.ts';
import { instanceDirectory, segmentPath, type SegmentState } from './paths.ts';
import { attempting, errnoOf } from './spool-error.ts';

/**
 * Says, durably, of a sealed segment's file that it may be the only copy from now on: whoever removes it as a superfluous
 * one does not find it any more.
 *
 * @returns false when there is no such file
 * @throws SpoolError
 */
export async function markSpilled(directory: string, instance: string, segmentId: string): Promise<boolean> {
  if (await changeState(directory, instance, segmentId, 'sealed', 'spilled')) return true;
  const path = segmentPath(directory, instance, segmentId, 'spilled');
  return attempting(`looking for segment file ${path}`, async () => {
    if (!(await exists(path))) return false;
    // Somebody else marked it, and may not have come to the fsync.
    await syncDirectory(instanceDirectory(directory, instance));
    return true;
  });
}

/**
 * Takes that mark away: the object stands in the bucket.
 * @returns false when the file is not marked, or gone
 * @throws SpoolError
 */
export function unmarkSpilled(directory: string, instance: string, segmentId: string): Promise<boolean> {
  return changeState(directory, instance, segmentId, 'spilled', 'sealed');
}

/**
 * Puts a marked file aside for a person.
 * @returns false when the file is not marked, or gone
 * @throws SpoolError
 */
export function quarantine(directory: string, instance: string, segmentId: string): Promise<boolean> {
  return changeState(directory, instance, segmentId, 'spilled', 'quarantined');
}

async function changeState(
  directory: string,
  instance: string,
  segmentId: string,
  from: SegmentState,
  to: SegmentState,
): Promise<boolean> {
  const oldPath = segmentPath(directory, instance, segmentId, from);
  return attempting(`renaming segment file ${oldPath}`, async () => {
    try {
      await rename(oldPath, segmentPath(directory, instance, segmentId, to));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await syncDirectory(instanceDirectory(directory, instance));
    return true;
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

import { access, rename } from 'node:fs/promises';
import { syncDirectory } from './directory.ts';
import { instanceDirectory, segmentPath, type SegmentState } from './paths.ts';
import { attempting, errnoOf } from './spool-error.ts';

/**
 * Gives a segment's file the name of another state, durably. As a file is found and removed by its name, this decides
 * against everybody who takes it for what it was.
 *
 * @returns false when there is no file in either state
 * @throws SpoolError
 */
export async function changeState(
  directory: string,
  instance: string,
  segmentId: string,
  from: SegmentState,
  to: SegmentState,
): Promise<boolean> {
  const [oldPath, newPath] = [from, to].map((state) => segmentPath(directory, instance, segmentId, state));
  if (oldPath === undefined || newPath === undefined) return false;
  return attempting(`renaming segment file ${oldPath} to ${newPath}`, async () => {
    try {
      await rename(oldPath, newPath);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      // Somebody else may have renamed it, and not come to the fsync yet.
      if (!(await exists(newPath))) return false;
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

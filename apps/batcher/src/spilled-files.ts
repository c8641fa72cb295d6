import type { SegmentRecord } from '@sink/domain';
import type { Lane } from '@sink/lane';
import type { SpoolFile } from '@sink/spool';
import type { SpoolFolders } from './ports.ts';

/**
 * Settles a file that is marked as spilled, and of whose segment Redis knows nothing. Whoever commits such a segment takes
 * the mark away before; so Redis lost the record (it started empty, failed over), or somebody else committed while a
 * release was under way. If none of its chunks is in Redis, the file is the only copy, or an object already: it is given
 * its record again, and uploading it once more changes nothing. If all of them are, it is superfluous. Else a person has
 * to look.
 */
export async function settleMarked(
  folders: SpoolFolders,
  lanes: readonly Lane[],
  spoolId: string,
  instance: string,
  file: SpoolFile,
): Promise<'adopted' | 'removed' | 'quarantined' | 'kept'> {
  const { segmentId } = file;
  const found = await folders.examine(instance, segmentId);
  if (found.kind === 'missing' || found.kind === 'newer') return 'kept';
  // Redis was asked before: what is marked still, was not committed by one who takes the mark away first.
  if (found.kind === 'sound' && found.state !== 'spilled') return 'kept';
  const lane = found.kind === 'sound' ? await laneOf(found.record, lanes) : undefined;
  const answer = found.kind === 'sound' && lane ? await lane.adopt(found.record, spoolId) : 'mixed';
  switch (answer) {
    case 'known':
      return 'kept';
    case 'adopted':
      return 'adopted';
    case 'superfluous':
      await folders.remove(instance, file);
      return 'removed';
    case 'mixed':
      return (await folders.quarantine(instance, segmentId)) ? 'quarantined' : 'kept';
  }
}

/** The lane whose uid stands in the key; where Redis started empty, lanes have new ones, and any will do. */
async function laneOf(record: SegmentRecord, lanes: readonly Lane[]): Promise<Lane | undefined> {
  for (const lane of lanes) {
    const uid = await lane.uid();
    if (uid !== null && record.key.includes(`/eventing-${uid}-`)) return lane;
  }
  return lanes[0];
}

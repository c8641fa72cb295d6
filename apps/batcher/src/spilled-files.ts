import type { SegmentRecord } from '@sink/domain';
import type { BatcherLane } from '@sink/lane';
import type { SpoolFile } from '@sink/spool';
import type { SpoolFolders } from './ports.ts';

/**
 * Settles a file that is marked as spilled, and of whose segment Redis knows nothing. Whoever commits such a segment takes
 * the mark away before; so somebody committed it while a release was under way, or Redis lost the record (it started empty,
 * or failed over). What may be the only copy is given its record again. A damaged one is put aside for a person.
 */
export async function settleMarked(
  folders: SpoolFolders,
  lanes: readonly BatcherLane[],
  spoolId: string,
  instance: string,
  file: SpoolFile,
): Promise<'adopted' | 'removed' | 'quarantined' | 'kept'> {
  const { segmentId } = file;
  const found = await folders.examine(instance, segmentId, { sealed: null });
  if (found.kind === 'damaged') return (await folders.quarantine(instance, segmentId)) ? 'quarantined' : 'kept';
  // Redis was asked before: what is marked still, was not committed by one who takes the mark away first.
  if (found.kind !== 'sound' || found.state !== 'spilled') return 'kept';
  const lane = await laneOf(found.record, lanes);
  const answer = await lane?.adopt(found.record, spoolId);
  if (answer === 'adopted') return 'adopted';
  if (answer !== 'superfluous') return 'kept';
  await folders.remove(instance, file);
  return 'removed';
}

/** The lane whose uid stands in the key; where Redis started empty, lanes have new ones, and any will do. */
async function laneOf(record: SegmentRecord, lanes: readonly BatcherLane[]): Promise<BatcherLane | undefined> {
  for (const lane of lanes) {
    const uid = await lane.uid();
    if (uid !== null && record.key.includes(`/eventing-${uid}-`)) return lane;
  }
  return lanes[0];
}

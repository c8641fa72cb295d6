import type { Lane } from '@sink/lane';

/** The spool as the janitor sees it: instances' folders and the files in them. */
export interface SpoolFolders {
  instances(): Promise<string[]>;
  files(instance: string): Promise<{ segmentId: string; sealed: boolean }[]>;
  remove(instance: string, segmentId: string, sealed: boolean): Promise<void>;
  removeFolderIfEmpty(instance: string): Promise<void>;
}

export interface JanitorOptions {
  /** Our own instance: its files are looked at too, but for those that are open or being sealed. */
  readonly instance: string;
  readonly inUse: (segmentId: string) => boolean;
}

/**
 * Removes spool files nobody needs any more: of an instance without a lease whatever is open, and everywhere sealed files
 * without a record (refused, or committed by an uploader elsewhere). The files of a living neighbour are never touched.
 * Nothing is lost by a file too many that goes: until commit, an uploader rebuilds it from the chunks.
 *
 * @returns files removed
 */
export async function tidySpool(
  folders: SpoolFolders,
  lanes: readonly Lane[],
  options: JanitorOptions,
): Promise<number> {
  let removed = 0;
  for (const instance of await folders.instances()) {
    const own = instance === options.instance;
    if (!own && (await anyLane(lanes, (lane) => lane.leaseExists(instance)))) continue;
    for (const { segmentId, sealed } of await folders.files(instance)) {
      if (own && (!sealed || options.inUse(segmentId))) continue;
      if (sealed && (await anyLane(lanes, (lane) => lane.hasRecord(segmentId)))) continue;
      await folders.remove(instance, segmentId, sealed);
      removed += 1;
    }
    if (!own) await folders.removeFolderIfEmpty(instance);
  }
  return removed;
}

async function anyLane(lanes: readonly Lane[], holds: (lane: Lane) => Promise<boolean>): Promise<boolean> {
  for (const lane of lanes) if (await holds(lane)) return true;
  return false;
}

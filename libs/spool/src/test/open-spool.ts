import type { InstanceSpool } from '../instance-spool.ts';
import type { SegmentFile } from '../segment-file.ts';
import { SpoolDirectory } from '../spool-directory.ts';

/** The folder of an instance, already made. */
export async function openSpool(directory: string, instance: string): Promise<InstanceSpool> {
  const spool = new SpoolDirectory(directory).instance(instance);
  await spool.open();
  return spool;
}

export async function openSegment(directory: string, instance: string, segmentId: string): Promise<SegmentFile | null> {
  return new SpoolDirectory(directory).open(instance, segmentId);
}

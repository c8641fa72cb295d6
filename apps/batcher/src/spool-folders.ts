import { parseRecord, RecordUnreadable } from '@sink/domain';
import {
  listInstance,
  listInstances,
  markSpilled,
  openSegment,
  quarantine,
  removeFile,
  removeInstanceIfEmpty,
  SpoolError,
} from '@sink/spool';
import type { ExaminedFile, SpoolFolders } from './ports.ts';

/** The spool directory, as those walk it who look after its files. */
export function spoolFolders(directory: string): SpoolFolders {
  return {
    instances: () => listInstances(directory),
    files: (instance) => listInstance(directory, instance),
    remove: (instance, { segmentId, state }) => removeFile(directory, instance, segmentId, state),
    removeFolderIfEmpty: async (instance) => {
      await removeInstanceIfEmpty(directory, instance);
    },
    examine: (instance, segmentId) => examine(directory, instance, segmentId),
    mark: (instance, segmentId) => markSpilled(directory, instance, segmentId),
    quarantine: (instance, segmentId) => quarantine(directory, instance, segmentId),
  };
}

async function examine(directory: string, instance: string, segmentId: string): Promise<ExaminedFile> {
  try {
    const file = await openSegment(directory, instance, segmentId);
    if (file === null) return { kind: 'missing' };
    const record = parseRecord(file.recordJson);
    const sound = record.id === segmentId && record.sha256 === file.sha256 && (await file.verify());
    return sound ? { kind: 'sound', state: file.state, record } : { kind: 'damaged' };
  } catch (error) {
    if (error instanceof RecordUnreadable) return { kind: error.code === 'record_version' ? 'newer' : 'damaged' };
    if (!(error instanceof SpoolError) || error.retryable) throw error;
    if (error.code === 'segment_version') return { kind: 'newer' };
    return { kind: error.code === 'spool_gone' ? 'missing' : 'damaged' };
  }
}

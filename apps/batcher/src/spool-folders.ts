import { listInstance, listInstances, removeFile, removeInstanceIfEmpty, type Spool } from '@sink/spool';
import type { SpoolFolders } from './janitor.ts';
import type { SpoolPort } from './ports.ts';

/** The spool directory, as the janitor walks it. */
export function spoolFolders(directory: string): SpoolFolders {
  return {
    instances: () => listInstances(directory),
    files: async (instance) => [...(await listInstance(directory, instance))],
    remove: (instance, segmentId, sealed) => removeFile(directory, instance, segmentId, sealed),
    removeFolderIfEmpty: async (instance) => {
      await removeInstanceIfEmpty(directory, instance);
    },
  };
}

/** One instance's spool, as its lanes use it. */
export function spoolPort(spool: Spool): SpoolPort {
  return {
    instance: spool.instance,
    createSegment: (segment) => spool.createSegment(segment),
    removeSealed: (segmentId) => removeFile(spool.directory, spool.instance, segmentId, true),
  };
}

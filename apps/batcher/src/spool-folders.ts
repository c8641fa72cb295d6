import { listInstance, listInstances, removeFile, removeInstanceIfEmpty } from '@sink/spool';
import type { SpoolFolders } from './janitor.ts';

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

import { totalmem } from 'node:os';

/** What this process and all beside it may take: what a container's limit leaves of the machine's memory. */
export function usableMemoryBytes(): number {
  // Without a limit it is 0, or more than there is.
  return Math.min(process.constrainedMemory() || Infinity, totalmem());
}

export { compressContent } from './compress-content.ts';
export { NODE_FILE_SYSTEM } from './file-system.ts';
export type { FileStatus, FileSystem, OpenFile } from './file-system.ts';
export type { InstanceSpool } from './instance-spool.ts';
export type { SpoolFile } from './paths.ts';
export type { SegmentContent } from './segment-format.ts';
export type { SegmentWriter } from './segment-writer.ts';
export { SpoolDirectory } from './spool-directory.ts';
export { SpoolError } from './spool-error.ts';

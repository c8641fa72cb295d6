export { BatcherInstance } from './instance.ts';
export { tidySpool } from './janitor.ts';
export type { SpoolFolders } from './janitor.ts';
export { LaneBatcher } from './lane-batcher.ts';
export { BatcherMetrics } from './metrics.ts';
export type { SegmentWriterPort, SpoolPort, UploadsPort } from './ports.ts';
export { Sealer } from './sealer.ts';

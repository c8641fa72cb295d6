export { BatcherInstance } from './instance.ts';
export { Janitor } from './janitor.ts';
export { LaneBatcher } from './lane-batcher.ts';
export { BatcherMetrics } from './metrics.ts';
export type { SegmentWriterPort, SpoolFolders, SpoolPort, UploadsPort } from './ports.ts';
export { Sealer } from './sealer.ts';
export { Spiller } from './spiller.ts';

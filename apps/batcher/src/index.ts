export { composeBatcher } from './compose.ts';
export type { Batcher } from './compose.ts';
export { BatcherMetrics } from './metrics.ts';
export type { BatcherPorts, UploadHandover } from './ports.ts';
export { BATCHER_LIMITS } from './settings.ts';
export type { BatcherSettings } from './settings.ts';

export { composeBatcher } from './compose.ts';
export { BatcherMetrics } from './metrics.ts';
export type { BatcherPorts } from './ports.ts';
export { BATCHER_LIMITS } from './settings.ts';

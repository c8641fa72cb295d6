export { type AppendOutcome, type Part, plainPart } from './commit/appender.ts';
export { composeIngest } from './compose.ts';
export type { Ingest } from './compose.ts';
export { Lateness } from './http/lateness.ts';
export { TlsMetrics } from './http/tls/tls-metrics.ts';
export { IngestMetrics } from './metrics.ts';
export { FIXED_SETTINGS } from './settings.ts';
export { registerWorkerCount } from './workers/workers.ts';
export { registerLimitMetrics } from './limits/metrics.ts';

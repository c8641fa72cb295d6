export type { AppendOutcome, EventAppender } from './commit/appender.ts';
export { GroupCommit } from './commit/group-commit.ts';
export { LaneWriter } from './commit/lane-writer.ts';
export { IngestMetrics } from './metrics.ts';
export { registerWorkerCount } from './workers/workers.ts';

export type { AppendOutcome, EventAppender } from './appender.ts';
export { GroupCommit } from './group-commit.ts';
export { LaneWriter } from './lane-writer.ts';
export { IngestMetrics } from './metrics.ts';
export { registerWorkerCount } from './workers.ts';

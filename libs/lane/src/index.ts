export { BatcherLane } from './batcher-lane.ts';
export { IngestLane } from './ingest-lane.ts';
export { IoredisPort } from './ioredis-port.ts';
export { GROUP, laneKeys, leaseKey, spoolLease } from './keys.ts';
export type { LaneKeys } from './keys.ts';
export { LaneView } from './lane-view.ts';
export type { StoredRecord } from './lane-view.ts';
export { RedisFailure, RedisInDoubt, RedisRefused, UnexpectedAnswer } from './port.ts';
export type { Argument, InSync, RedisPort, Script, WaitedFor } from './port.ts';
export type { StreamEntry } from './reply.ts';
export {
  FINGERPRINT_MEMORY_BYTES,
  RECEIPT_MEMORY_BYTES,
  ROUTED_RECEIPT_EXTRA_BYTES,
  UNLISTED_MEMORY_BYTES,
} from './cost.ts';
export { script } from './step.ts';
export { FINGERPRINT_BYTES } from './lua/dedupe.ts';
export { flush, missingText } from './flush/flush.ts';
export type { FlushAnswer, FlushCall } from './flush/flush.ts';
export { assertReached } from './steps/barrier.ts';
export type { DurabilityBarrier } from './steps/barrier.ts';
export type { AppendEntry, AppendOnceAnswer, DedupeWindow, Marks } from './steps/append.ts';
export type { Demand } from './steps/demand.ts';
export { reportDemand, withdrawDemand } from './steps/demand.ts';
export type { FlushRequest } from './steps/flush.ts';
export { readFlush } from './steps/flush.ts';
export { rememberLanes } from './steps/lanes.ts';
export type { DrawnManifest } from './steps/manifest.ts';
export type { ReleaseAnswer } from './steps/release.ts';
export type { SealAnswer } from './steps/seal.ts';
export { UploaderLane } from './uploader-lane.ts';

export { IoredisPort } from './ioredis-port.ts';
export { GROUP, laneKeys, lanesKey, leaseKey, spoolLease } from './keys.ts';
export type { LaneKeys } from './keys.ts';
export { assertReached, Lane } from './lane.ts';
export { FINGERPRINT_BYTES } from './scripts/dedupe.ts';
export type {
  AdoptAnswer,
  AppendAnswer,
  AppendOnceAnswer,
  AppendRequest,
  CommitAnswer,
  Dedupe,
  Durability,
  ReleaseAnswer,
  SealAnswer,
} from './lane.ts';
export { LaneManifests } from './lane-manifests.ts';
export type { DrawnManifest } from './lane-manifests.ts';
export { rememberLanes } from './lanes.ts';
export { RedisInDoubt, RedisRefused, UnexpectedAnswer } from './port.ts';
export type { Argument, RedisPort } from './port.ts';
export type { StreamEntry } from './reply.ts';
export type { Script } from './scripts/script.ts';

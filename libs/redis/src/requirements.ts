import type { Durability } from '@sink/config';

/** What is asked of Redis; the sink's own configuration says so. */
export interface Requirements {
  readonly durability: Durability;
  /** Bytes the sink may keep in Redis over all lanes; null: as much as is right for this Redis. */
  readonly maxBacklogBytes: number | null;
  /** Receipts of each lane. */
  readonly receiptsMax: number;
  /** Events each lane remembers for deduplication, and for how long: 0, the default, for none. */
  readonly maxFingerprints?: number;
  readonly dedupeWindowMs?: number;
  /** Whether objects wait in each lane for their manifests; default false. */
  readonly manifests?: boolean;
  /** Default 1. */
  readonly lanes?: number;
  /** Replicas an append waits for; default 0. */
  readonly replicas?: number;
}

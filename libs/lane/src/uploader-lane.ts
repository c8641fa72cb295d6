import type { Receipt } from '@sink/domain';
import { LaneManifests } from './lane-manifests.ts';
import { LaneView } from './lane-view.ts';
import type { RedisPort } from './port.ts';
import { type DurabilityBarrier, reachedAfterWrite } from './steps/barrier.ts';
import { commit, type CommitAnswer } from './steps/commit.ts';
import { renewLease, takeLease } from './steps/lease.ts';

/** The steps that an uploader may take on a lane. */
export class UploaderLane extends LaneView {
  /** Those that have to do with manifests. */
  readonly manifests: LaneManifests;

  constructor(redis: RedisPort, sinkName: string, lane: number) {
    super(redis, sinkName, lane);
    this.manifests = new LaneManifests(redis, this.keys);
  }

  /** @param listIn the partition whose manifest has to list the object; absent: no manifest has to */
  commit(receipt: Receipt, receiptsMax: number, listIn?: string): Promise<CommitAnswer> {
    return commit(this.redis, this.keys, receipt, receiptsMax, listIn);
  }

  /**
   * Whether everything that is in the lane now, written by any process, is as durable as asked for. It writes a value of
   * its own: a durability barrier that covers this write covers all writes before it.
   */
  reachedAfterWrite(barrier: DurabilityBarrier): Promise<boolean> {
    return reachedAfterWrite(this.redis, this.keys, barrier);
  }

  /** Takes the lease of a spool directory: an uploader is alive on it. */
  takeLease(name: string, ttlMs: number): Promise<void> {
    return takeLease(this.redis, this.keys, name, ttlMs);
  }

  /** False once the lease is gone. */
  renewLease(name: string, ttlMs: number): Promise<boolean> {
    return renewLease(this.redis, this.keys, name, ttlMs);
  }
}

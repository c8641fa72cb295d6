import { assertReached, type DurabilityBarrier, type UploaderLane } from '@sink/lane';
import type { UploadJobs } from '../compose.ts';

type SweptJobs = Pick<UploadJobs, 'add' | 'has' | 'reviveFailed'>;

export interface SweepResult {
  /** Sealed segments that had no job and have one now. */
  readonly restored: number;
  /** Failed jobs that are queued again. */
  readonly revived: number;
  /** When the oldest segment of each lane was sealed. */
  readonly oldest: OldestSealed;
}

/** Unix time in milliseconds by the number of the lane; lanes in which nothing waits are left out. */
export type OldestSealed = ReadonlyMap<number, number>;

/**
 * Gives sealed segments without a job their job again, page by page, and revives failed jobs (invariant 7). A job can be
 * lost (the batcher died between seal and queue, Redis failed over); a record cannot.
 *
 * @param lanes on a connection of their own: everything behind a wait for durability waits too
 * @throws RedisFailure, also when the durability was not reached: the next sweep repeats it
 */
export async function sweep(
  lanes: readonly UploaderLane[],
  jobs: SweptJobs,
  barrier: DurabilityBarrier,
): Promise<SweepResult> {
  let restored = 0;
  const oldest = new Map<number, number>();
  for (const lane of lanes) {
    for await (const sealed of lane.sealed()) {
      for (const { sealedAtMs } of sealed) noteSealed(oldest, lane.number, sealedAtMs);
      const ids = sealed.map(({ id }) => id);
      restored += await restore(lane, ids, jobs, barrier);
    }
  }
  return { restored, revived: await jobs.reviveFailed(), oldest };
}

export interface SpilledSweep {
  /** Spilled segments that had no job and have one now, and failed jobs that are queued again. */
  readonly restored: number;
  /** How many spilled segments wait, by the id of the spool directory that has their files. */
  readonly waiting: ReadonlyMap<string, number>;
  /** When the oldest of them was sealed, in whatever spool directory it is. */
  readonly oldest: OldestSealed;
}

/**
 * The same for spilled segments: those in this spool directory get their jobs, those in others are counted.
 * @param jobs of the spool directory with this id
 */
export async function sweepSpilled(
  lanes: readonly UploaderLane[],
  jobs: SweptJobs,
  spoolId: string,
  barrier: DurabilityBarrier,
): Promise<SpilledSweep> {
  let restored = await jobs.reviveFailed();
  const waiting = new Map<string, number>();
  const oldest = new Map<number, number>();
  for (const lane of lanes) {
    for await (const spilled of lane.spilled()) {
      for (const record of spilled) {
        waiting.set(record.spoolId, (waiting.get(record.spoolId) ?? 0) + 1);
        noteSealed(oldest, lane.number, record.sealedAtMs);
      }
      const own = spilled.filter((record) => record.spoolId === spoolId).map(({ id }) => id);
      restored += await restore(lane, own, jobs, barrier);
    }
  }
  return { restored, waiting, oldest };
}

function noteSealed(oldest: Map<number, number>, lane: number, sealedAtMs: number | null): void {
  if (sealedAtMs !== null) oldest.set(lane, Math.min(oldest.get(lane) ?? Number.POSITIVE_INFINITY, sealedAtMs));
}

async function restore(
  lane: UploaderLane,
  ids: readonly string[],
  jobs: SweptJobs,
  barrier: DurabilityBarrier,
): Promise<number> {
  const found = await jobs.has(ids);
  const missing = ids.filter((_, index) => found[index] !== true);
  if (missing.length === 0) return 0;
  // An upload starts only when its seal is as durable as configured (invariant 4), and the batcher that sealed may have
  // died before it learned that. A write of this process that is as durable proves it of all writes before.
  assertReached(await lane.reachedAfterWrite(barrier), 'restoring upload jobs'); // rule: sweep.barrier
  for (const id of missing) await jobs.add(lane.number, id);
  return missing.length;
}

import { type DurabilityBarrier, type UploaderLane, RedisRefused } from '@sink/lane';
import type { UploadQueue } from '@sink/uploads';

export interface SweepResult {
  /** Sealed segments that had no job and have one now. */
  readonly restored: number;
  /** Failed jobs that are back at work. */
  readonly revived: number;
}

/**
 * Gives sealed segments without a job their job again, page by page, and failed jobs another chance. A job may be lost
 * (the batcher died between seal and queue, Redis failed over); a record is not.
 *
 * @param lanes on a connection of their own: waiting for durability holds up everything behind it
 * @throws what Redis said, or that the durability was not reached: the next sweep tries again
 */
export async function sweep(
  lanes: readonly UploaderLane[],
  queue: UploadQueue,
  durability: DurabilityBarrier,
): Promise<SweepResult> {
  let restored = 0;
  for (const lane of lanes) {
    for await (const ids of lane.records()) restored += await restore(lane, ids, queue, durability);
  }
  return { restored, revived: await queue.reviveFailed() };
}

export interface SpilledSweep {
  /** Spilled segments that had no job and have one now. */
  readonly restored: number;
  /** Spilled segments by the id of the spool directory that holds them. */
  readonly waiting: ReadonlyMap<string, number>;
}

/**
 * The same for what is spilled: those in our spool directory get their jobs, those in others are counted.
 * @param queue of the spool directory with this id
 */
export async function sweepSpilled(
  lanes: readonly UploaderLane[],
  queue: UploadQueue,
  spoolId: string,
  durability: DurabilityBarrier,
): Promise<SpilledSweep> {
  let restored = await queue.reviveFailed();
  const waiting = new Map<string, number>();
  for (const lane of lanes) {
    for await (const spilled of lane.spilled()) {
      for (const record of spilled) waiting.set(record.spoolId, (waiting.get(record.spoolId) ?? 0) + 1);
      const own = spilled.filter((record) => record.spoolId === spoolId).map(({ id }) => id);
      restored += await restore(lane, own, queue, durability);
    }
  }
  return { restored, waiting };
}

async function restore(
  lane: UploaderLane,
  ids: readonly string[],
  queue: UploadQueue,
  durability: DurabilityBarrier,
): Promise<number> {
  const found = await queue.has(ids);
  const missing = ids.filter((_, index) => found[index] !== true);
  if (missing.length === 0) return 0;
  // An upload starts only after its seal is as durable as asked for (invariant 4). Whoever sealed may have died before he
  // knew; a write behind the seal that reached it says the same of the seal.
  if (!(await lane.reachedAfterWrite(durability))) {
    throw new RedisRefused('restoring upload jobs', 'NOTDURABLE the durability asked for was not reached in time');
  }
  for (const id of missing) await queue.add(lane.number, id);
  return missing.length;
}

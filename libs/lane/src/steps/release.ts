import { type SegmentRecord, spilledRecord } from '@sink/domain';
import type { LaneKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { oneOf } from '../reply.ts';
import { release as releaseScript } from '../scripts/release.ts';

/** `gone`: committed before; `elsewhere`: another spool directory holds it. */
export type ReleaseAnswer = 'released' | 'gone' | 'elsewhere';

export async function release(
  redis: RedisPort,
  keys: LaneKeys,
  record: SegmentRecord,
  spoolId: string,
): Promise<ReleaseAnswer> {
  const { chunks, taken, left, records, spilled, backlog } = keys;
  const args = [record.id, JSON.stringify(spilledRecord(record, spoolId))];
  const reply = await redis.run(releaseScript, [chunks, taken, left, records, spilled, backlog], args);
  return oneOf(['released', 'gone', 'elsewhere'], reply, `releasing segment ${record.id}`);
}

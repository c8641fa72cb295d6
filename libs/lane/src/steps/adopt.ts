import { type SegmentRecord, spilledRecord } from '@sink/domain';
import { RECORD_OVERHEAD_BYTES } from '../cost.ts';
import type { LaneKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { oneOf } from '../reply.ts';
import { adopt as adoptScript } from '../scripts/release.ts';

/** `known`: there is a record; `superfluous`: its events are stored elsewhere. */
export type AdoptAnswer = 'adopted' | 'known' | 'superfluous';

export async function adopt(
  redis: RedisPort,
  keys: LaneKeys,
  record: SegmentRecord,
  spoolId: string,
): Promise<AdoptAnswer> {
  const { left, records, spilled, backlog } = keys;
  const json = JSON.stringify(spilledRecord(record, spoolId));
  const ids = record.slices.map(([chunk]) => chunk);
  const args = [record.id, json, RECORD_OVERHEAD_BYTES, record.count, record.bytes, ...ids];
  const reply = await redis.run(adoptScript, [left, records, spilled, backlog], args);
  return oneOf(['adopted', 'known', 'superfluous'], reply, `adopting segment ${record.id}`);
}

import { type Receipt, UNLISTED_MAX } from '@sink/domain';
import { RECORD_OVERHEAD_BYTES } from '../cost.ts';
import { type LaneKeys, manifestKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { oneOf } from '../reply.ts';
import { commit as commitScript } from '../scripts/commit.ts';

/** `gone`: committed before. */
export type CommitAnswer = 'committed' | 'gone';

export async function commit(
  redis: RedisPort,
  keys: LaneKeys,
  receipt: Receipt,
  receiptsMax: number,
  listIn?: string,
): Promise<CommitAnswer> {
  const { chunks, taken, left, records, spilled, backlog, receipts, unlisted } = keys;
  const names = [chunks, taken, left, records, spilled, backlog, receipts];
  const args = [receipt.id, JSON.stringify(receipt), receiptsMax, RECORD_OVERHEAD_BYTES];
  if (listIn !== undefined) {
    names.push(unlisted, manifestKeys(keys, listIn).ofPartition);
    args.push(listIn, UNLISTED_MAX);
  }
  return oneOf(['committed', 'gone'], await redis.run(commitScript, names, args), `committing segment ${receipt.id}`);
}

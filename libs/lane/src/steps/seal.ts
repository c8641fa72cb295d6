import type { SegmentRecord } from '@sink/domain';
import { RECORD_OVERHEAD_BYTES } from '../cost.ts';
import { GROUP, type LaneKeys } from '../keys.ts';
import { type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asList, asText } from '../reply.ts';
import { seal as sealScript } from '../scripts/seal.ts';

/** `refused`: nothing changed; `chunks` are those whose slices do not fit, none if another record has this id. */
export type SealAnswer = { readonly kind: 'sealed' } | { readonly kind: 'refused'; readonly chunks: readonly string[] };

export async function seal(redis: RedisPort, keys: LaneKeys, record: SegmentRecord, json: string): Promise<SealAnswer> {
  const { chunks, taken, records, backlog } = keys;
  const args = [record.id, json, GROUP, RECORD_OVERHEAD_BYTES];
  const answer = asList(await redis.run(sealScript, [chunks, taken, records, backlog], args));
  if (answer[0] === 'sealed') return { kind: 'sealed' };
  if (answer[0] === 'refused') return { kind: 'refused', chunks: answer.slice(1).map((id) => asText(id) ?? '') };
  throw new UnexpectedAnswer('sealing a segment', answer);
}

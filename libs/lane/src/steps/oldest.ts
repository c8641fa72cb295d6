import { GROUP, type LaneKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { appendedMs, asList, integer, text } from '../reply.ts';
import { oldestChunk as oldestChunkScript } from '../scripts/manifest.ts';
import { oldestUnsealed as oldestUnsealedScript } from '../scripts/oldest.ts';

export async function oldestUnsealedMs(redis: RedisPort, keys: LaneKeys): Promise<number | null> {
  const id = await redis.run(oldestUnsealedScript, [keys.chunks], [GROUP]);
  return id === null ? null : appendedMs(id, 'looking for the oldest unsealed chunk');
}

/** When the oldest chunk that is not wholly in the bucket was appended (`null`: there is none), and now, by Redis' clock. */
export async function oldestChunk(
  redis: RedisPort,
  keys: LaneKeys,
): Promise<{ appendedMs: number | null; nowMs: number }> {
  const action = 'looking for the oldest chunk';
  const [now, id] = asList(await redis.run(oldestChunkScript, [keys.chunks], []));
  return { appendedMs: text(id, action) === '' ? null : appendedMs(id, action), nowMs: integer(now, action) };
}

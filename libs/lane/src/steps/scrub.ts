import { GROUP, type LaneKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { asList, integer, text } from '../reply.ts';
import { scrub as scrubScript } from '../scripts/scrub.ts';

/** Counters that one scrub looks at: bounds the time that Redis is blocked. */
const SCRUB_PAGE = 100;

export interface ScrubAnswer {
  /** Where the next scrub goes on; '0' at the end. */
  readonly cursor: string;
  /** Chunks that were put back into a pending list. */
  readonly restored: number;
}

export async function scrub(redis: RedisPort, keys: LaneKeys, consumer: string, from: string): Promise<ScrubAnswer> {
  const args = [GROUP, consumer, from, SCRUB_PAGE];
  const [cursor, restored] = asList(await redis.run(scrubScript, [keys.chunks, keys.taken], args));
  return { cursor: text(cursor, 'scrubbing'), restored: integer(restored, 'scrubbing') };
}

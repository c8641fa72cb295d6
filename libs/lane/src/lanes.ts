import { lanesKey } from './keys.ts';
import type { RedisPort } from './port.ts';
import { asInteger, asList } from './reply.ts';
import { remember } from './scripts/lanes.ts';

/**
 * Remembers that the sink uses the lanes 0 to `lanes` - 1, and returns the numbers of all it ever used, in order: a lane
 * that is configured away still drains.
 */
export async function rememberLanes(redis: RedisPort, sinkName: string, lanes: number): Promise<number[]> {
  const own = Array.from({ length: lanes }, (_, lane) => lane);
  const known = asList(await redis.run(remember, [lanesKey(sinkName)], own)).map(asInteger);
  return [...new Set([...own, ...known.filter((lane) => lane !== null)])].sort((a, b) => a - b);
}

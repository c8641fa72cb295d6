import { lanesKey } from '../keys.ts';
import { type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asInteger } from '../reply.ts';
import { remember } from '../scripts/lanes.ts';

/**
 * Remembers that the sink uses the lanes 0 to `lanes` - 1, and returns the numbers of all lanes it ever used, in order: a
 * lane that was removed from the configuration still drains.
 */
export async function rememberLanes(redis: RedisPort, sinkName: string, lanes: number): Promise<number[]> {
  const own = Array.from({ length: lanes }, (_, lane) => lane);
  const reply = await redis.run(remember, [lanesKey(sinkName)], own);
  if (!Array.isArray(reply)) throw new UnexpectedAnswer('remembering lanes', reply);
  const known = reply.map(asInteger).filter((lane) => lane !== null);
  return [...new Set([...own, ...known])].sort((a, b) => a - b);
}

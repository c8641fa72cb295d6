import { lanesKey } from './keys.ts';
import type { RedisPort } from './port.ts';
import { asList, asText } from './reply.ts';

/** Remembers that the sink uses these lanes, and returns all it ever used: a lane configured away still drains. */
export async function rememberLanes(redis: RedisPort, sinkName: string, lanes: number): Promise<number[]> {
  const own = Array.from({ length: lanes }, (_, lane) => lane);
  const known = asList(await redis.call('SMEMBERS', [lanesKey(sinkName)])).map((lane) => Number(asText(lane)));
  const missing = own.filter((lane) => !known.includes(lane));
  if (missing.length > 0) await redis.call('SADD', [lanesKey(sinkName), ...missing]);
  return [...new Set([...own, ...known])].filter(Number.isSafeInteger).sort((a, b) => a - b);
}

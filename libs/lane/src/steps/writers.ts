import type { LaneKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { asList, integer, text } from '../reply.ts';
import { registerWriter as registerScript, retireWriters as retireScript } from '../scripts/writer.ts';

/** Writers that one retirement looks at: bounds the time that Redis is blocked. */
const RETIRE_PAGE = 100;

export interface RetireAnswer {
  /** Where the next retirement goes on; '0' at the end. */
  readonly cursor: string;
  readonly retired: number;
}

export async function registerWriter(redis: RedisPort, keys: LaneKeys): Promise<string> {
  return text(await redis.run(registerScript, [keys.meta, keys.writers], []), 'registering a writer');
}

export async function retireWriters(
  redis: RedisPort,
  keys: LaneKeys,
  from: string,
  idleMs: number,
): Promise<RetireAnswer> {
  const [cursor, retired] = asList(await redis.run(retireScript, [keys.writers], [from, idleMs, RETIRE_PAGE]));
  return { cursor: text(cursor, 'retiring writers'), retired: integer(retired, 'retiring writers') };
}

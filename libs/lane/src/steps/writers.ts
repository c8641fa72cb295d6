import type { LaneKeys } from '../keys.ts';
import { clockMs } from '../lua/lane.ts';
import type { RedisPort } from '../port.ts';
import { asList, integer, text } from '../reply.ts';
import { step } from '../step.ts';

/** Writers that one retirement looks at: bounds the time that Redis is blocked. */
const RETIRE_PAGE = 100;

/**
 * registerWriter: a new writer.
 *
 * In: a nonce, new for every call.
 * Answers: the id: the lane's uid, a number, and the nonce. A Redis that has since started empty does not know the uid. Two
 * executions make two writers, by the number. The nonce keeps ids apart when a failover loses a registration, and with it
 * the number: two writers under one id would take each other's chunks for repeats.
 * Checked before the first write: that the lane was opened, the type of the key.
 */
export const registerWriterStep = step({
  name: 'registerWriter',
  draining: false,
  keys: ['meta', 'writers'],
  args: { nonce: 'text' },
  uses: [clockMs],
  lua: `
local uid = redis.call('HGET', meta, 'uid')
if not uid then return redis.error_reply('NOLANE the lane was never opened, or Redis lost it') end
redis.call('HLEN', writers)
local usedAt = clockMs()
local writer = uid .. '.' .. redis.call('HINCRBY', meta, 'writers', 1)
writer = writer .. '.' .. nonce -- rule: writer.unique-id
redis.call('HSET', writers, writer, '0 new ' .. usedAt)
return writer
`,
});

/**
 * retireWriters: forgets writers that have not appended for a long time, a page at a time. That is safe at any time: the
 * append of an unknown writer is refused, and never taken for a new one.
 *
 * In: the cursor to begin at, how long a writer may be idle, the size of a page.
 * Answers: the cursor to go on at ('0' at the end), and how many writers were forgotten.
 */
export const retireWritersStep = step({
  name: 'retireWriters',
  draining: true,
  keys: ['writers'],
  args: { cursor: 'text', idleMs: 'number', page: 'text' },
  uses: [clockMs],
  lua: `
local nowMs = tonumber(clockMs())
local scanned = redis.call('HSCAN', writers, cursor, 'COUNT', page)
local retired = 0
for i = 1, #scanned[2], 2 do
  local usedAt = string.match(scanned[2][i + 1], '(%d+)$')
  if usedAt and nowMs - tonumber(usedAt) > idleMs then retired = retired + redis.call('HDEL', writers, scanned[2][i]) end
end
return {scanned[1], retired}
`,
});

export interface RetireAnswer {
  /** Where the next retirement begins; '0' at the end. */
  readonly cursor: string;
  readonly retired: number;
}

export async function registerWriter(redis: RedisPort, keys: LaneKeys, nonce: string): Promise<string> {
  return text(await registerWriterStep.run(redis, keys, { nonce }), 'registering a writer');
}

export async function retireWriters(
  redis: RedisPort,
  keys: LaneKeys,
  from: string,
  idleMs: number,
): Promise<RetireAnswer> {
  const args = { cursor: from, idleMs, page: RETIRE_PAGE };
  const [cursor, retired] = asList(await retireWritersStep.run(redis, keys, args));
  return { cursor: text(cursor, 'retiring writers'), retired: integer(retired, 'retiring writers') };
}

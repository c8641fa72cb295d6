import { GROUP, type LaneKeys } from '../keys.ts';
import { clockMs, groupOf } from '../lua/lane.ts';
import type { RedisPort } from '../port.ts';
import { appendedMs, asList, integer, text } from '../reply.ts';
import { step } from '../step.ts';

/**
 * oldestUnsealed: the oldest chunk that is not wholly sealed, pending or not delivered yet. Reads only.
 *
 * Answers: its id, false if there is none.
 */
export const oldestUnsealedStep = step({
  name: 'oldestUnsealed',
  draining: true,
  keys: ['chunks'],
  args: { group: 'text' },
  uses: [groupOf],
  lua: `
if redis.call('EXISTS', chunks) == 0 then return false end
local pending = redis.call('XPENDING', chunks, group)
if pending[1] > 0 then return pending[2] end
local info = groupOf(chunks, group)
if not info then return false end
local rest = redis.call('XRANGE', chunks, '(' .. info['last-delivered-id'], '+', 'COUNT', 1)
return rest[1] and rest[1][1]
`,
});

/**
 * oldestChunk: the oldest chunk of the stream. Reads only.
 *
 * Answers: Redis' clock in milliseconds, and the chunk's id, '' if there is none.
 */
export const oldestChunkStep = step({
  name: 'oldestChunk',
  draining: true,
  keys: ['chunks'],
  args: {},
  uses: [clockMs],
  lua: `
local nowMs = clockMs()
local oldest = redis.call('XRANGE', chunks, '-', '+', 'COUNT', 1)
return {nowMs, oldest[1] and oldest[1][1] or ''}
`,
});

/** When the oldest chunk that is not wholly sealed was appended, in Unix time by Redis' clock; `null` if there is none. */
export async function oldestUnsealedMs(redis: RedisPort, keys: LaneKeys): Promise<number | null> {
  const id = await oldestUnsealedStep.run(redis, keys, { group: GROUP });
  return id === null ? null : appendedMs(id, 'looking for the oldest unsealed chunk');
}

/** When the oldest chunk that is not wholly in the bucket was appended (`null`: there is none), and now, by Redis' clock. */
export async function oldestChunk(
  redis: RedisPort,
  keys: LaneKeys,
): Promise<{ appendedMs: number | null; nowMs: number }> {
  const action = 'looking for the oldest chunk';
  const [now, id] = asList(await oldestChunkStep.run(redis, keys, {}));
  return { appendedMs: text(id, action) === '' ? null : appendedMs(id, action), nowMs: integer(now, action) };
}

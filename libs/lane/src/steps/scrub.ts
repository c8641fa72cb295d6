import { GROUP, type LaneKeys } from '../keys.ts';
import { groupOf } from '../lua/lane.ts';
import type { RedisPort } from '../port.ts';
import { asList, integer, text } from '../reply.ts';
import { step } from '../step.ts';

/** Counters that one scrub looks at: bounds the time that Redis is blocked. */
const SCRUB_PAGE = 100;

/**
 * scrub: puts chunks that are not wholly taken and in no pending list (an operator's XGROUP DELCONSUMER, a failover) into
 * the caller's. It walks the counters, a page at a time, never the stream.
 *
 * In: the group, the caller's name, the cursor to begin at, the size of a page.
 * Answers: the cursor to go on at ('0' at the end), and how many chunks were put back.
 * Checked before each write: that the id is not after the group's last-delivered-id. A forced claim does not move that id,
 * so Redis would also deliver a later chunk to another consumer.
 */
export const scrubStep = step({
  name: 'scrub',
  draining: true,
  keys: ['chunks', 'taken'],
  args: { group: 'text', me: 'text', cursor: 'text', page: 'text' },
  uses: [groupOf],
  lua: `
if redis.call('EXISTS', chunks) == 0 then return {'0', 0} end
local info = groupOf(chunks, group)
if not info then return {'0', 0} end
-- An id in a form that sorts as text: its halves have up to 20 digits, more than a Lua number holds exactly.
local function order(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return ms and string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #n) .. n
end
local last = order(info['last-delivered-id'])

local scanned = redis.call('HSCAN', taken, cursor, 'COUNT', page)
local restored = 0
for i = 1, #scanned[2], 2 do
  local id = scanned[2][i]
  local at, count = string.match(scanned[2][i + 1], '^(%d+)/(%d+)$')
  local place = order(id)
  if at ~= count and place and place <= last and #redis.call('XPENDING', chunks, group, id, id, 1) == 0 then
    restored = restored + #redis.call('XCLAIM', chunks, group, me, 0, id, 'FORCE', 'JUSTID')
  end
end
return {scanned[1], restored}
`,
});

export interface ScrubAnswer {
  /** Where the next scrub begins; '0' at the end. */
  readonly cursor: string;
  /** Chunks that were put back into a pending list. */
  readonly restored: number;
}

export async function scrub(redis: RedisPort, keys: LaneKeys, consumer: string, from: string): Promise<ScrubAnswer> {
  const args = { group: GROUP, me: consumer, cursor: from, page: SCRUB_PAGE };
  const [cursor, restored] = asList(await scrubStep.run(redis, keys, args));
  return { cursor: text(cursor, 'scrubbing'), restored: integer(restored, 'scrubbing') };
}

import { DEFAULT_ROUTE } from '@sink/domain';
import { GROUP, type LaneKeys } from '../keys.ts';
import { clockMs, groupOf } from '../lua/lane.ts';
import type { RedisPort } from '../port.ts';
import { appendedMs, asList, asText, integer, text } from '../reply.ts';
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
 * oldestChunk: the oldest chunks of the stream. Reads only.
 *
 * In: from where on (`-`, or `(` and an id), and how many. Answers: Redis' clock in milliseconds; of each chunk its id and its
 * route, '' where it names none.
 */
export const oldestChunkStep = step({
  name: 'oldestChunk',
  draining: true,
  keys: ['chunks'],
  args: { from: 'text', count: 'number' },
  uses: [clockMs],
  lua: `
local answer = {clockMs()}
for _, entry in ipairs(redis.call('XRANGE', chunks, from, '+', 'COUNT', count)) do
  local route = ''
  for field = 1, #entry[2], 2 do
    if entry[2][field] == 'r' then route = entry[2][field + 1] end
  end
  answer[#answer + 1] = entry[1]
  answer[#answer + 1] = route
end
return answer
`,
});

/** When the oldest chunk that is not wholly sealed was appended, in Unix time by Redis' clock; `null` if there is none. */
export async function oldestUnsealedMs(redis: RedisPort, keys: LaneKeys): Promise<number | null> {
  const id = await oldestUnsealedStep.run(redis, keys, { group: GROUP });
  return id === null ? null : appendedMs(id, 'looking for the oldest unsealed chunk');
}

/** Chunks that one call looks at beyond the first: their bodies are read, and Redis does nothing else meanwhile. */
const PAGE = 20;
/** Calls of one look: the next one continues. */
const PAGES_MAX = 50;

export interface OldestChunk {
  /** When it was appended: Unix time in milliseconds by Redis' clock. Null: there is none. */
  readonly appendedMs: number | null;
  readonly nowMs: number;
  /** The last chunk that was passed over: the next look may begin behind it. '': none. */
  readonly passed: string;
}

/**
 * The oldest chunk that is not wholly in the bucket, of all whose route is asked for.
 * @param after where an earlier look ended; ids only rise, so nothing is added before it
 */
export async function oldestChunk(
  redis: RedisPort,
  keys: LaneKeys,
  isAskedFor: (route: string) => boolean = () => true,
  after = '',
): Promise<OldestChunk> {
  const action = 'looking for the oldest chunk';
  let passed = after;
  for (let pages = 0; ; pages++) {
    const from = passed === '' ? '-' : `(${passed}`;
    const count = pages === 0 ? 1 : PAGE;
    const [now, ...found] = asList(await oldestChunkStep.run(redis, keys, { from, count }));
    const nowMs = integer(now, action);
    for (let n = 0; n < found.length; n += 2) {
      const id = text(found[n], action);
      if (id === '') return { appendedMs: null, nowMs, passed };
      const route = asText(found[n + 1]) ?? '';
      const isEnough = isAskedFor(route === '' ? DEFAULT_ROUTE : route) || pages === PAGES_MAX;
      if (isEnough) return { appendedMs: appendedMs(id, action), nowMs, passed };
      passed = id;
    }
    if (found.length < 2 * count) return { appendedMs: null, nowMs, passed };
  }
}

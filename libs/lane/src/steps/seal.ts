import type { SegmentRecord } from '@sink/domain';
import { GROUP, type LaneKeys } from '../keys.ts';
import { badBacklog, recordCost } from '../lua/lane.ts';
import { chunksOf, pages, values } from '../lua/slices.ts';
import { type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asList, asText } from '../reply.ts';
import { step } from '../step.ts';

/**
 * seal: decides, once, which events go into which object (docs/protocol.md, R9, R10, R11, R13).
 *
 * In: the segment's id, its record as JSON.
 * Answers: `sealed`; or `refused` and the chunks whose slices do not fit (none: another record has this id).
 * Checked before the first write: the record under this id, the counters of the backlog, every slice.
 *
 * - The identical record under this id is sealed already; it is stored again, so that a durability barrier covers it.
 * - Every slice has to begin where its chunk was taken up to, and no chunk may come twice. A missing counter does not count
 *   as zero: the chunk was committed.
 * - Chunks that are wholly taken leave the pending list. So that list is exactly what was delivered and not wholly sealed.
 */
export const sealStep = step({
  name: 'seal',
  draining: true,
  keys: ['chunks', 'taken', 'records', 'backlog'],
  args: { segment: 'text', json: 'text', group: 'text' },
  uses: [badBacklog, recordCost, pages, values, chunksOf],
  lua: `
local stored = redis.call('HGET', records, segment)
if stored then
  if stored ~= json then return {'refused'} end -- rule: seal.same-record
  redis.call('HSET', records, segment, json)
  return {'sealed'}
end

redis.call('XLEN', chunks)
local bad = badBacklog(backlog, {'bytes'})
if bad then return bad end
local slices = cjson.decode(json).slices
local states = values(taken, chunksOf(slices))
-- The states of most slices read the same: each text is taken apart once.
local parsed = {}
local function parse(state)
  local at, count = string.match(state, '^(%d+)/(%d+)$')
  local counters = {at = tonumber(at), count = tonumber(count), whole = count and count .. '/' .. count}
  parsed[state] = counters
  return counters
end
local answer, seen, marks, whole = {'refused'}, {}, {}, {}
for i, slice in ipairs(slices) do
  local chunk, from, to = slice[1], slice[2], slice[3]
  local state = states[i]
  local counters = state and (parsed[state] or parse(state))
    or {} -- rule: seal.uncounted
  local count = counters.count
  if
    counters.at ~= from or -- rule: seal.from
    seen[chunk] or to <= from or to > count or to % 1 ~= 0 or not string.find(chunk, '^%d+%-%d+$')
  then
    answer[#answer + 1] = chunk
  end
  seen[chunk] = true
  marks[2 * i - 1], marks[2 * i] = chunk, to == count and counters.whole or string.format('%d/%d', to, count or 0)
  if to == count then whole[#whole + 1] = chunk end
end
if #answer > 1 or #slices == 0 then return answer end

pages(marks, function(...) redis.call('HSET', taken, ...) end)
pages(whole, function(...) redis.call('XACK', chunks, group, ...) end) -- rule: seal.acknowledge
redis.call('HSET', records, segment, json)
redis.call('HINCRBY', backlog, 'bytes', recordCost(json))
return {'sealed'}
`,
});

/** `refused`: nothing changed; `chunks` are those whose slices do not fit, none if another record has this id. */
export type SealAnswer = { readonly kind: 'sealed' } | { readonly kind: 'refused'; readonly chunks: readonly string[] };

export async function seal(redis: RedisPort, keys: LaneKeys, record: SegmentRecord, json: string): Promise<SealAnswer> {
  const answer = asList(await sealStep.run(redis, keys, { segment: record.id, json, group: GROUP }));
  if (answer[0] === 'sealed') return { kind: 'sealed' };
  if (answer[0] === 'refused') return { kind: 'refused', chunks: answer.slice(1).map((id) => asText(id) ?? '') };
  throw new UnexpectedAnswer('sealing a segment', answer);
}

import { CHUNK_VERSION, chunkVersion, type Destination, ROUTED_CHUNK_VERSION } from '@sink/domain';
import { chunkCostBytes } from '../cost.ts';
import { type LaneKeys, SEEN_SLOTS, seenSlotKeys } from '../keys.ts';
import { findDuplicates, remember, withoutDuplicates } from '../lua/dedupe.ts';
import { clockMs, isCounter } from '../lua/lane.ts';
import { type Argument, type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asInteger, asText } from '../reply.ts';
import { denies, type LuaFunction, step } from '../step.ts';

const NOT_PERMITTED = 'NOPERM this user may not run all writes of this step';
/** A time to live that the same script removes again, so any that does not end in between. */
const PASSING_TTL_MS = 86_400_000;

/** Where the entries begin among the arguments, how many arguments each has, and which of them is what. */
const FIRST = 6;
const SIZE = 7;
const [ROUTE, PATH, COUNT, COST, BODY, ORIGINS, LENGTHS] = [0, 1, 2, 3, 4, 5, 6];

/**
 * addChunk(chunks, now, hash, fields, last): adds the entry, and returns its id. Redis numbers the entries of a millisecond
 * from 0 on. After a failover, while an old master still takes chunks, both would give one id to different chunks; a batcher
 * that read one could seal it in the place of the other. So the first number in a millisecond is a random one, and each
 * further chunk of an append is a random distance behind the `last` one.
 */
const addChunk: LuaFunction = {
  name: 'addChunk',
  uses: [],
  lua: `
local function addChunk(chunks, now, hash, fields, last)
  local number = tonumber(string.sub(hash, 1, 6), 16)
  local wanted = now .. '-' .. number
  if last then
    local ms, before = string.match(last, '^(%d+)-(%d+)$')
    wanted = ms .. '-' .. string.format('%.0f', before + 1 + number)
  end
  local id = redis.pcall('XADD', chunks, wanted, unpack(fields)) -- rule: append.own-id
  if type(id) == 'string' then return id end
  if ${denies('XDEL', 'chunks')} then error({err = '${NOT_PERMITTED}'}) end
  id = redis.call('XADD', chunks, '*', unpack(fields))
  local ms, following = string.match(id, '^(%d+)-(%d+)$')
  if ms == now then return id end
  redis.call('XDEL', chunks, id)
  return redis.call('XADD', chunks, ms .. '-' .. string.format('%.0f', following + 1 + number), unpack(fields))
end
`,
};

/**
 * append: stores the chunks of a list of entries once, all of them or none, however often they are sent; with the optional
 * keys, without the events whose fingerprint is remembered (docs/protocol.md, R1, R2, R6, R8, R57, R58).
 *
 * In: `room` is what the chunks and what follows them need of the backlog, `limit` the backlog's limit; then for each entry
 * its route ('': it is written as version 1), path, count, share of the backlog, body, origins ('': none), and the lengths of
 * its lines as JSON ('': each of its events is stored). With the optional keys, behind the last entry: the fingerprints of the
 * events of all entries with lengths, in order; the window in milliseconds; how many a slot has at most.
 * Answers: `stored`, with the number of dropped events behind it if there are any; `full`: the backlog has no room;
 * `stale`: the sequence is older than the writer's last one; `unknown_writer`.
 * Checked before the first write: the writer and its sequence, the types of the keys, the counters of the backlog, and
 * only then its limit. A script that fails half-way keeps what it wrote.
 *
 * - A writer's sequence rises. Its last sequence again returns the stored answer, after a write: WAIT and WAITAOF only cover
 *   writes of their connection. That write is allowed at maxmemory, so Redis answers a repeat even there.
 * - `full` is stored like any answer, so a late copy of the request cannot store the chunks after all.
 * - Duplicates are acknowledged by the write that every append ends with. It comes after the write of the first copy, so a
 *   caller that waits for its durability waits for both. With a full backlog nothing is remembered, and chunks of
 *   duplicates only need no room.
 * - No shebang (not `draining`): the stored answer is read before the first write that Redis denies at maxmemory. Redis
 *   decides that when a script begins, so it never denies a later write only.
 */
export const appendStep = step({
  name: 'append',
  draining: false,
  keys: ['chunks', 'taken', 'left', 'writers', 'backlog'],
  args: {
    writer: 'text',
    sequence: 'number',
    acceptedAt: 'text',
    room: 'number',
    limit: 'number',
    entries: 'rest',
  },
  optional: { keys: ['seen', '...slots'], args: {} },
  uses: [isCounter, clockMs, findDuplicates, withoutDuplicates, remember, addChunk],
  lua: `
local state = redis.call('HGET', writers, writer)
if not state then return 'unknown_writer' end
local newest, answer = string.match(state, '^(%d+) (%w+) %d+$')
if not newest then return redis.error_reply('FOREIGN the state of writer ' .. writer .. ' is not readable') end
newest = tonumber(newest)
if sequence == newest then -- rule: append.same-sequence
  redis.call('PEXPIRE', writers, ${PASSING_TTL_MS})
  redis.call('PERSIST', writers)
  return answer
end
if sequence < newest then return 'stale' end -- rule: append.older-sequence

redis.call('XLEN', chunks)
redis.call('HLEN', taken)
redis.call('HLEN', left)
local counters = redis.call('HMGET', backlog, 'events', 'bytes')
if not isCounter(counters[1]) or not isCounter(counters[2]) then
  return redis.error_reply('FOREIGN the backlog is not readable')
end

local usedAt = clockMs()
local found, dropped, last = nil, 0, #entries
if seen then
  last = last - 3
  local fingerprints, windowMs, slotMax = entries[last + 1], tonumber(entries[last + 2]), tonumber(entries[last + 3])
  local asked = 0
  for at = ${FIRST}, last, ${SIZE} do
    if entries[at + ${LENGTHS}] ~= '' then asked = asked + entries[at + ${COUNT}] end
  end
  found = findDuplicates(seen, slots, fingerprints, asked, windowMs, slotMax, tonumber(usedAt))
  if not found then return redis.error_reply('BADREQUEST a fingerprint is missing') end
  dropped = asked - #found.fresh
end
if dropped > 0 then
  local before = 0
  for at = ${FIRST}, last, ${SIZE} do
    local lengths, events = entries[at + ${LENGTHS}], tonumber(entries[at + ${COUNT}])
    if lengths ~= '' then
      entries[at + ${BODY}], entries[at + ${COUNT}] =
        withoutDuplicates(entries[at + ${BODY}], lengths, events, found.duplicate, before)
      before = before + events
    end
  end
end
local count = 0
for at = ${FIRST}, last, ${SIZE} do count = count + entries[at + ${COUNT}] end
if count > 0 and tonumber(counters[2] or '0') + room > limit then
  redis.call('HSET', writers, writer, sequence .. ' full ' .. usedAt)
  return 'full'
end
if count > 0 then
  if ${denies('HSET', 'taken')} or ${denies('HINCRBY', 'backlog')}
    or found and (${denies('SADD', 'seen')} or ${denies('PEXPIRE', 'seen')})
    or found and found.turn and ${denies('UNLINK', 'seen')} then
    return redis.error_reply('${NOT_PERMITTED}') -- rule: append.permitted
  end
  local bytes, id = 0, nil
  for at = ${FIRST}, last, ${SIZE} do -- rule: append.every-entry
    local route, events, cost = entries[at + ${ROUTE}], tonumber(entries[at + ${COUNT}]), entries[at + ${COST}]
    if events > 0 then
      local hash = redis.sha1hex(writer .. ' ' .. sequence .. (id and ' ' .. at or ''))
      local fields = {'v', '${CHUNK_VERSION}', 'p', entries[at + ${PATH}], 'n', events, 't', acceptedAt, 'b', entries[at + ${BODY}]}
      if entries[at + ${ORIGINS}] ~= '' then fields[11], fields[12] = 'o', entries[at + ${ORIGINS}] end
      if route ~= '' then
        fields[2] = '${ROUTED_CHUNK_VERSION}'
        fields[#fields + 1] = 'r'
        fields[#fields + 1] = route
      end
      id = addChunk(chunks, usedAt, hash, fields, id)
      redis.call('HSET', taken, id, '0/' .. events)
      redis.call('HSET', left, id, events .. ' ' .. cost)
      bytes = bytes + cost
    end
  end
  redis.call('HINCRBY', backlog, 'events', count)
  redis.call('HINCRBY', backlog, 'bytes', bytes)
  if found then remember(seen, slots, found) end
end
answer = dropped > 0 and 'stored' .. dropped or 'stored'
redis.call('HSET', writers, writer, sequence .. ' ' .. answer .. ' ' .. usedAt)
return answer
`,
});

/** What becomes one chunk. */
export interface AppendEntry extends Destination {
  readonly count: number;
  /** NDJSON; every line ends in LF. */
  readonly body: string | Buffer;
  readonly bytes: number;
  /** An optional field of the chunk; see `Chunk.origins`. */
  readonly origins?: string | undefined;
  /** What is looked up of its events in the dedupe window; absent: each of them is stored. */
  readonly marks?: Marks | undefined;
}

export interface Marks {
  /** FINGERPRINT_BYTES bytes for each event in the body, in order: a hash over what makes it the same event. */
  readonly fingerprints: Buffer;
  /** Bytes of each line, with its LF. */
  readonly lineBytes: readonly number[];
}

export interface AppendRequest {
  readonly writer: string;
  readonly sequence: number;
  readonly entries: readonly AppendEntry[];
  /** Bytes that must fit beside these chunks for the requests that go on in the next appends, and in how many chunks. */
  readonly furtherBytes: number;
  readonly furtherChunks?: number;
  readonly acceptedAtMs: number;
  readonly backlogBytesMax: number;
}

/** What an append needs to drop events that were stored before. */
export interface DedupeWindow {
  /** How long an event is remembered, by Redis' clock, in milliseconds; up to a quarter longer. */
  readonly windowMs: number;
  /** Fingerprints the lane remembers, about; with more, the oldest quarter of the window is forgotten early. */
  readonly fingerprintsMax: number;
}

export type AppendAnswer = 'stored' | 'full' | 'stale' | 'unknown_writer';

export interface AppendOnceAnswer {
  readonly answer: AppendAnswer;
  /** Events that were stored before, and dropped. */
  readonly duplicates: number;
}

/** @param window absent: all events are stored */
export async function append(
  redis: RedisPort,
  keys: LaneKeys,
  request: AppendRequest,
  window?: DedupeWindow,
): Promise<AppendOnceAnswer> {
  const entries: Argument[] = [];
  const fingerprints: Buffer[] = [];
  let room = furtherCostBytes(request);
  for (const entry of request.entries) {
    const { path, count, body, bytes, origins = '', marks } = entry;
    const isRouted = chunkVersion(entry) === ROUTED_CHUNK_VERSION;
    const route = isRouted ? entry.route : '';
    const cost = chunkCostBytes(bytes + origins.length + (isRouted ? route.length + path.length : 0));
    const isAsked = window !== undefined && marks !== undefined;
    if (isAsked) fingerprints.push(marks.fingerprints);
    entries.push(route, path, count, cost, body, origins, isAsked ? JSON.stringify(marks.lineBytes) : '');
    room += cost;
  }
  const args = {
    writer: request.writer,
    sequence: request.sequence,
    acceptedAt: request.acceptedAtMs,
    room,
    limit: request.backlogBytesMax,
    entries,
  };
  const looksUp = window !== undefined && fingerprints.length > 0;
  if (looksUp) {
    entries.push(Buffer.concat(fingerprints), window.windowMs, Math.ceil(window.fingerprintsMax / SEEN_SLOTS));
  }
  const seen = looksUp ? { seen: keys.seen, slots: seenSlotKeys(keys) } : undefined;
  const reply = await appendStep.run(redis, keys, args, seen);
  switch (reply) {
    case 'stored':
    case 'full':
    case 'stale':
    case 'unknown_writer':
      return { answer: reply, duplicates: 0 };
  }
  const duplicates = asInteger(/^stored(\d+)$/.exec(asText(reply) ?? '')?.[1]);
  if (duplicates === null) throw new UnexpectedAnswer('appending chunks', reply);
  return { answer: 'stored', duplicates };
}

function furtherCostBytes({ furtherBytes, furtherChunks = 1 }: AppendRequest): number {
  return furtherBytes > 0 ? chunkCostBytes(furtherBytes) + (furtherChunks - 1) * chunkCostBytes(0) : 0;
}

import { CHUNK_VERSION } from '@sink/domain';
import { chunkCostBytes } from '../cost.ts';
import { type LaneKeys, SEEN_SLOTS, seenSlotKeys } from '../keys.ts';
import { findDuplicates, remember, withoutDuplicates } from '../lua/dedupe.ts';
import { clockMs, isCounter } from '../lua/lane.ts';
import { type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asInteger, asText } from '../reply.ts';
import { type LuaFunction, step } from '../step.ts';

/** A time to live that the same script removes again, so any that does not end in between. */
const PASSING_TTL_MS = 86_400_000;

/**
 * addChunk(chunks, now, hash, fields): adds the entry, and returns its id. Redis numbers the entries of a millisecond from 0
 * on. After a failover, while an old master still takes chunks, both would give one id to different chunks; a batcher that
 * read one could seal it in the place of the other. So the first number in a millisecond is a random one.
 */
const addChunk: LuaFunction = {
  name: 'addChunk',
  uses: [],
  lua: `
local function addChunk(chunks, now, hash, fields)
  local number = tonumber(string.sub(hash, 1, 6), 16)
  local id = redis.pcall('XADD', chunks, now .. '-' .. number, unpack(fields)) -- rule: append.own-id
  if type(id) == 'string' then return id end
  id = redis.call('XADD', chunks, '*', unpack(fields))
  local ms, following = string.match(id, '^(%d+)-(%d+)$')
  if ms == now then return id end
  redis.call('XDEL', chunks, id)
  return redis.call('XADD', chunks, ms .. '-' .. string.format('%.0f', following + number), unpack(fields))
end
`,
};

/**
 * append: stores a chunk once, however often it is sent; with the optional group, without the events whose fingerprint is
 * remembered (docs/protocol.md, R1, R2, R6, R8).
 *
 * In: `cost` is the chunk's share of the backlog, `room` that and what must fit beside it, `limit` the backlog's limit.
 * Answers: `stored`, with the number of dropped events behind it if there are any; `full`: the backlog has no room;
 * `stale`: the sequence is older than the writer's last one; `unknown_writer`.
 * Checked before the first write: the writer and its sequence, the types of the keys, the counters of the backlog, and
 * only then its limit. A script that fails half-way keeps what it wrote.
 *
 * - A writer's sequence rises. Its last sequence again returns the stored answer, after a write: WAIT and WAITAOF only cover
 *   writes of their connection. That write is allowed at maxmemory, so Redis answers a repeat even there.
 * - `full` is stored like any answer, so a late copy of the request cannot store the chunk after all.
 * - Duplicates are acknowledged by the write that every append ends with. It comes after the write of the first copy, so a
 *   caller that waits for its durability waits for both. With a full backlog nothing is remembered, and a chunk of
 *   duplicates only needs no room.
 * - No shebang (not `draining`): the stored answer is read before the first write that Redis denies at maxmemory.
 */
export const appendStep = step({
  name: 'append',
  draining: false,
  keys: ['chunks', 'taken', 'left', 'writers', 'backlog'],
  args: {
    writer: 'text',
    sequence: 'number',
    partition: 'text',
    count: 'number',
    cost: 'number',
    room: 'number',
    limit: 'number',
    acceptedAt: 'text',
    body: 'text',
    origins: 'text',
  },
  optional: {
    keys: ['seen', '...slots'],
    args: { fingerprints: 'text', lengths: 'text', windowMs: 'number', slotMax: 'number' },
  },
  uses: [isCounter, clockMs, findDuplicates, withoutDuplicates, remember, addChunk],
  lua: `
local state = redis.call('HGET', writers, writer)
if not state then return 'unknown_writer' end
local last, answer = string.match(state, '^(%d+) (%w+) %d+$')
if not last then return redis.error_reply('FOREIGN the state of writer ' .. writer .. ' is not readable') end
last = tonumber(last)
if sequence == last then -- rule: append.same-sequence
  redis.call('PEXPIRE', writers, ${PASSING_TTL_MS})
  redis.call('PERSIST', writers)
  return answer
end
if sequence < last then return 'stale' end -- rule: append.older-sequence

redis.call('XLEN', chunks)
redis.call('HLEN', taken)
redis.call('HLEN', left)
local counters = redis.call('HMGET', backlog, 'events', 'bytes')
if not isCounter(counters[1]) or not isCounter(counters[2]) then
  return redis.error_reply('FOREIGN the backlog is not readable')
end

local usedAt = clockMs()
local found, dropped = nil, 0
if seen then
  found = findDuplicates(seen, slots, fingerprints, count, windowMs, slotMax, tonumber(usedAt))
  if not found then return redis.error_reply('BADREQUEST a fingerprint is missing') end
  dropped = count - #found.fresh
  if dropped > 0 then
    body = withoutDuplicates(body, lengths, count, found.duplicate)
    count = #found.fresh
  end
end
if count > 0 and tonumber(counters[2] or '0') + room > limit then
  redis.call('HSET', writers, writer, sequence .. ' full ' .. usedAt)
  return 'full'
end
if count > 0 then
  if not redis.acl_check_cmd('HSET', taken) or not redis.acl_check_cmd('HINCRBY', backlog)
    or found and not redis.acl_check_cmd('SADD', seen) then
    return redis.error_reply('NOPERM this user may not run all writes of this step') -- rule: append.permitted
  end
  local fields = {'v', '${CHUNK_VERSION}', 'p', partition, 'n', count, 't', acceptedAt, 'b', body}
  if origins ~= '' then fields[11], fields[12] = 'o', origins end
  local id = addChunk(chunks, usedAt, redis.sha1hex(writer .. ' ' .. sequence), fields)
  redis.call('HSET', taken, id, '0/' .. count)
  redis.call('HSET', left, id, count .. ' ' .. cost)
  redis.call('HINCRBY', backlog, 'events', count)
  redis.call('HINCRBY', backlog, 'bytes', cost)
  if found then remember(seen, slots, found) end
end
answer = dropped > 0 and 'stored' .. dropped or 'stored'
redis.call('HSET', writers, writer, sequence .. ' ' .. answer .. ' ' .. usedAt)
return answer
`,
});

export interface AppendRequest {
  readonly writer: string;
  readonly sequence: number;
  readonly partition: string;
  readonly count: number;
  /** NDJSON; every line ends in LF. */
  readonly body: string | Buffer;
  readonly bytes: number;
  /** An optional field of the chunk; see `Chunk.origins`. */
  readonly origins?: string | undefined;
  /** Bytes that must fit beside this chunk for the requests that go on in the next ones. */
  readonly furtherBytes: number;
  readonly acceptedAtMs: number;
  readonly backlogBytesMax: number;
}

/** What an append needs to drop events that were stored before. */
export interface Dedupe {
  /** FINGERPRINT_BYTES bytes for each event in the body, in order: a hash over what makes it the same event. */
  readonly fingerprints: Buffer;
  /** Bytes of each line, with its LF. */
  readonly lineBytes: readonly number[];
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

/** @param dedupe absent: all events are stored */
export async function append(
  redis: RedisPort,
  keys: LaneKeys,
  request: AppendRequest,
  dedupe?: Dedupe,
): Promise<AppendOnceAnswer> {
  const { origins = '' } = request;
  const cost = chunkCostBytes(request.bytes + origins.length);
  const furtherCost = request.furtherBytes > 0 ? chunkCostBytes(request.furtherBytes) : 0;
  const args = {
    writer: request.writer,
    sequence: request.sequence,
    partition: request.partition,
    count: request.count,
    cost,
    room: cost + furtherCost,
    limit: request.backlogBytesMax,
    acceptedAt: request.acceptedAtMs,
    body: request.body,
    origins,
  };
  const reply = await appendStep.run(redis, keys, args, dedupe && remembering(keys, dedupe));
  switch (reply) {
    case 'stored':
    case 'full':
    case 'stale':
    case 'unknown_writer':
      return { answer: reply, duplicates: 0 };
  }
  const duplicates = asInteger(/^stored(\d+)$/.exec(asText(reply) ?? '')?.[1]);
  if (duplicates === null) throw new UnexpectedAnswer('appending a chunk', reply);
  return { answer: 'stored', duplicates };
}

function remembering(keys: LaneKeys, { fingerprints, lineBytes, windowMs, fingerprintsMax }: Dedupe) {
  return {
    seen: keys.seen,
    slots: seenSlotKeys(keys),
    fingerprints,
    lengths: JSON.stringify(lineBytes),
    windowMs,
    slotMax: Math.ceil(fingerprintsMax / SEEN_SLOTS),
  };
}

import { LOOK_FOR_DUPLICATES, REMEMBER_FINGERPRINTS } from './dedupe.ts';
import { type Script, script } from './script.ts';

/**
 * append: stores a chunk once, however often it is sent.
 *
 * A writer's sequence rises. The last sequence again: the stored answer again (with a write, because WAIT and WAITAOF
 * only cover writes of their connection, and one that is allowed at maxmemory, so that a repeat is answered even there).
 * An older one, or a writer that is not registered: refused, nothing changes. Only then is the backlog looked at, and a
 * refusal for a full backlog is remembered like any other answer: a late copy of the request can not store it after all.
 *
 * No shebang: the stored answer is looked up before the first write that maxmemory denies. Everything that could fail is
 * looked at before the first write too: a script that fails half-way keeps what it wrote.
 */
export const append = appending('append', { look: '', remember: '' });

/**
 * append, less the events whose fingerprint is remembered. Duplicates are acknowledged by the write that every append ends
 * with: it comes after that of the first copy, and whoever waits for its durability waits for both. With a full backlog
 * nothing is remembered, and a chunk of duplicates alone needs no room.
 */
export const appendOnce = appending('appendOnce', { look: LOOK_FOR_DUPLICATES, remember: REMEMBER_FINGERPRINTS });

function appending(name: string, dedupe: { readonly look: string; readonly remember: string }): Script {
  return script(
    name,
    `
local chunks, taken, left, writers, backlog = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local writer, seq, partition, count = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local cost, room, limit, acceptedAt, body = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9]

local state = redis.call('HGET', writers, writer)
if not state then return 'unknown_writer' end
local last, answer = string.match(state, '^(%d+) (%w+) %d+$')
if not last then return redis.error_reply('FOREIGN the state of writer ' .. writer .. ' is not readable') end
last = tonumber(last)
if seq == last then -- rule: append.same-sequence
  redis.call('PEXPIRE', writers, 86400000)
  redis.call('PERSIST', writers)
  return answer
end
if seq < last then return 'stale' end -- rule: append.older-sequence

redis.call('XLEN', chunks)
redis.call('HLEN', taken)
redis.call('HLEN', left)
local counters = redis.call('HMGET', backlog, 'events', 'bytes')
for i = 1, 2 do
  if not string.match(counters[i] or '0', '^%-?%d+$') then return redis.error_reply('FOREIGN the backlog is not readable') end
end

local now = redis.call('TIME')
local usedAt = now[1] .. string.format('%03d', math.floor(tonumber(now[2]) / 1000))
local nowMs, dropped = tonumber(usedAt), 0
${dedupe.look}
if count > 0 and tonumber(counters[2] or '0') + room > limit then
  redis.call('HSET', writers, writer, seq .. ' full ' .. usedAt)
  return 'full'
end
if count > 0 then
  local id = redis.call('XADD', chunks, '*', 'v', '1', 'p', partition, 'n', count, 't', acceptedAt, 'b', body)
  redis.call('HSET', taken, id, '0/' .. count)
  redis.call('HSET', left, id, count .. ' ' .. cost)
  redis.call('HINCRBY', backlog, 'events', count)
  redis.call('HINCRBY', backlog, 'bytes', cost)
${dedupe.remember}
end
answer = dropped > 0 and 'stored' .. dropped or 'stored'
redis.call('HSET', writers, writer, seq .. ' ' .. answer .. ' ' .. usedAt)
return answer
`,
  );
}

import { SEEN_SLOTS_OF_WINDOW } from '../keys.ts';
import type { LuaFunction } from '../step.ts';

/** Bytes of a fingerprint: 128 bits, so that two events never share one. */
export const FINGERPRINT_BYTES = 16;
/** Members in one command: Lua unpacks no more than some 8,000. */
const PAGE = 1000;

/**
 * findDuplicates(ring, slots, fingerprints, count, windowMs, slotMax, nowMs): which of the events were stored within the
 * window, and into which slot new fingerprints go. Reads only. Returns nil if a fingerprint is missing.
 *
 * Each slot of time has one set of fingerprints. The slots are a ring, so that all their keys can be named before Redis'
 * clock is read; a hash has when each began. Time never goes back: the newest slot is the current one until it is over. A
 * slot that is full ends early; if the ring is full, its oldest slot is dropped. So a flood makes the window shorter and
 * never the memory larger.
 */
export const findDuplicates: LuaFunction = {
  name: 'findDuplicates',
  uses: [],
  lua: `
local function findDuplicates(ring, slots, fingerprints, count, windowMs, slotMax, nowMs)
  local slotMs = math.ceil(windowMs / ${SEEN_SLOTS_OF_WINDOW})
  local positions = {}
  for i = 1, #slots do positions[i] = i end
  local starts = redis.call('HMGET', ring, unpack(positions))
  local newest, oldest
  for i = 1, #slots do
    starts[i] = starts[i] and tonumber(starts[i])
    if starts[i] and (not newest or starts[i] > starts[newest]) then newest = i end
  end
  for i = 1, #slots do
    if not starts[i] then oldest = i break end
    if not oldest or starts[i] < starts[oldest] then oldest = i end
  end

  local marks, seen, duplicate = {}, {}, {}
  for i = 1, count do
    local mark = string.sub(fingerprints, (i - 1) * ${FINGERPRINT_BYTES} + 1, i * ${FINGERPRINT_BYTES})
    if #mark ~= ${FINGERPRINT_BYTES} then return nil end
    marks[i] = mark
    duplicate[i] = seen[mark]
    seen[mark] = true -- rule: dedupe.within-append
  end
  local function live(slot) return starts[slot] and starts[slot] + slotMs > nowMs - windowMs end
  for slot = 1, #slots do
    if live(slot) then
      for from = 1, count, ${PAGE} do
        local found = redis.call('SMISMEMBER', slots[slot], unpack(marks, from, math.min(from + ${PAGE} - 1, count)))
        for i, member in ipairs(found) do
          if member == 1 then duplicate[from + i - 1] = true end
        end
      end
    end
  end
  local turn = not newest or nowMs - starts[newest] >= slotMs or redis.call('SCARD', slots[newest]) >= slotMax
  local fresh = {}
  for i = 1, count do
    if not duplicate[i] then fresh[#fresh + 1] = marks[i] end
  end
  return {
    duplicate = duplicate,
    fresh = fresh,
    slot = turn and oldest or newest,
    turn = turn,
    early = live(oldest),
    startMs = math.max(nowMs, newest and starts[newest] + 1 or 0),
    ttlMs = windowMs + 2 * slotMs,
  }
end
`,
};

/**
 * withoutDuplicates(body, lengths, count, duplicate, before): the body without the lines of these events, and how many lines
 * that are; its first line is that of the event after `before`.
 */
export const withoutDuplicates: LuaFunction = {
  name: 'withoutDuplicates',
  uses: [],
  lua: `
local function withoutDuplicates(body, lengths, count, duplicate, before)
  local bytes, rest, at = cjson.decode(lengths), {}, 1
  for i = 1, count do
    if not duplicate[before + i] then rest[#rest + 1] = string.sub(body, at, at + bytes[i] - 1) end
    at = at + bytes[i] -- rule: dedupe.cut
  end
  return table.concat(rest), #rest
end
`,
};

/** remember(ring, slots, found): stores the fresh fingerprints that `findDuplicates` found. Writes. */
export const remember: LuaFunction = {
  name: 'remember',
  uses: [],
  lua: `
local function remember(ring, slots, found)
  local key, fresh = slots[found.slot], found.fresh
  if found.turn then
    redis.call('UNLINK', key)
    if found.early then redis.call('HINCRBY', ring, 'early', 1) end
    redis.call('HSET', ring, found.slot, found.startMs)
  end
  for from = 1, #fresh, ${PAGE} do
    redis.call('SADD', key, unpack(fresh, from, math.min(from + ${PAGE} - 1, #fresh))) -- rule: dedupe.remember
  end
  redis.call('PEXPIRE', key, found.ttlMs)
  redis.call('PEXPIRE', ring, found.ttlMs)
end
`,
};

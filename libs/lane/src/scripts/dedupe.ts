/** Bytes of a fingerprint: 128 bits, so that two events never share one. */
export const FINGERPRINT_BYTES = 16;
/** Slots of the window, and as many that may be live at a time: those of the window, the current one, a partial one. */
const SLOTS_OF_WINDOW = 4;
export const SLOTS = SLOTS_OF_WINDOW + 2;
/** Members in one command: Lua unpacks no more than some 8,000. */
const PAGE = 1000;

/**
 * The part of append that looks which events were stored within the window. Reads only.
 *
 * Fingerprints stand in one set a slot of time. The slots are a ring, so that all their keys can be named before Redis'
 * clock is asked; when each began stands in a hash. Time never goes back: the newest slot is the current one until it is
 * over. A slot that is full ends early; with the ring full the oldest goes, so a flood makes the window shorter and never
 * the memory larger.
 *
 * Leaves `fresh` (fingerprints to remember), `dropped`, and `count` and `body` without what was dropped.
 */
export const LOOK_FOR_DUPLICATES = `
local ring, fingerprints, lengths = KEYS[6], ARGV[10], ARGV[11]
local window, slotMax = tonumber(ARGV[12]), tonumber(ARGV[13])
local slotMs, slots = math.ceil(window / ${SLOTS_OF_WINDOW}), ${SLOTS}
local positions = {}
for i = 1, slots do positions[i] = i end
local starts = redis.call('HMGET', ring, unpack(positions))
local newest, oldest
for i = 1, slots do
  starts[i] = starts[i] and tonumber(starts[i])
  if starts[i] and (not newest or starts[i] > starts[newest]) then newest = i end
end
for i = 1, slots do
  if not starts[i] then oldest = i break end
  if not oldest or starts[i] < starts[oldest] then oldest = i end
end

local marks, seen, duplicate = {}, {}, {}
for i = 1, count do
  local mark = string.sub(fingerprints, (i - 1) * ${FINGERPRINT_BYTES} + 1, i * ${FINGERPRINT_BYTES})
  if #mark ~= ${FINGERPRINT_BYTES} then return redis.error_reply('BADREQUEST a fingerprint is missing') end
  marks[i] = mark
  duplicate[i] = seen[mark]
  seen[mark] = true
end
local function live(slot) return starts[slot] and starts[slot] + slotMs > nowMs - window end
for slot = 1, slots do
  if live(slot) then
    for from = 1, count, ${PAGE} do
      local found = redis.call('SMISMEMBER', KEYS[6 + slot], unpack(marks, from, math.min(from + ${PAGE} - 1, count)))
      for i, member in ipairs(found) do
        if member == 1 then duplicate[from + i - 1] = true end
      end
    end
  end
end
local early = live(oldest)
local turn = not newest or nowMs - starts[newest] >= slotMs or redis.call('SCARD', KEYS[6 + newest]) >= slotMax

local fresh = {}
for i = 1, count do
  if not duplicate[i] then fresh[#fresh + 1] = marks[i] end
end
dropped = count - #fresh
if dropped > 0 then
  local bytes, rest, at = cjson.decode(lengths), {}, 1
  for i = 1, count do
    if not duplicate[i] then rest[#rest + 1] = string.sub(body, at, at + bytes[i] - 1) end
    at = at + bytes[i] -- rule: dedupe.cut
  end
  count, body = #fresh, table.concat(rest)
end
`;

/** The part of append that remembers what was stored; after the checks, and after the event itself. */
export const REMEMBER_FINGERPRINTS = `
if turn then
  redis.call('UNLINK', KEYS[6 + oldest])
  if early then redis.call('HINCRBY', ring, 'early', 1) end
  redis.call('HSET', ring, oldest, math.max(nowMs, newest and starts[newest] + 1 or 0))
  newest = oldest
end
for from = 1, #fresh, ${PAGE} do
  redis.call('SADD', KEYS[6 + newest], unpack(fresh, from, math.min(from + ${PAGE} - 1, #fresh))) -- rule: dedupe.remember
end
redis.call('PEXPIRE', KEYS[6 + newest], window + 2 * slotMs)
redis.call('PEXPIRE', ring, window + 2 * slotMs)
`;

import { drainingScript } from './script.ts';

/**
 * draw: decides, once, which objects the next manifest of a partition lists: those that wait now. They are set apart under
 * a name that nobody adds to, so whoever writes the manifest, and however often, writes the same. While one is drawn up
 * there is no other: its token again. Nothing waits: false.
 *
 * The token follows from what is listed: a draw that is executed twice, the second time after the first manifest is done,
 * draws up another one under another token, and whoever still finishes the first one takes nothing of it.
 */
export const draw = drainingScript(
  'drawManifest',
  `
local ofPartition, listing = KEYS[1], KEYS[2]

local drawn = redis.call('HGET', listing, '')
if drawn then return drawn end -- rule: manifest.one-at-a-time
local segments = redis.call('HKEYS', ofPartition)
if #segments == 0 then return false end
table.sort(segments)
local token = redis.sha1hex(table.concat(segments, ' '))
redis.call('RENAME', ofPartition, listing)
redis.call('HSET', listing, '', token)
return token
`,
);

/**
 * listed: the manifest with this token stands in the bucket, so what it lists is done. Another token, or none: done before,
 * nothing changes; what is drawn up by now is another manifest.
 */
export const listed = drainingScript(
  'manifestListed',
  `
local unlisted, ofPartition, listing = KEYS[1], KEYS[2], KEYS[3]
local partition, token = ARGV[1], ARGV[2]

redis.call('HLEN', unlisted)
local rest = redis.call('HLEN', ofPartition)
if redis.call('HGET', listing, '') ~= token then return 'gone' end
redis.call('UNLINK', listing)
if rest == 0 then redis.call('HDEL', unlisted, partition) else redis.call('HSET', unlisted, partition, rest) end
return 'listed'
`,
);

/** The id of the oldest chunk of the stream, and Redis' clock in milliseconds. Reads only. */
export const oldestChunk = drainingScript(
  'oldestChunk',
  `
local now = redis.call('TIME')
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return {now[1] .. string.format('%03d', math.floor(tonumber(now[2]) / 1000)), oldest[1] and oldest[1][1] or ''}
`,
);

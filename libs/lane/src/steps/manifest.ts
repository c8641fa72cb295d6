import { type Destination, listOf, parseReceipt, type Receipt } from '@sink/domain';
import { type LaneKeys, manifestKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { asFields, asText, oneOf, text } from '../reply.ts';
import { step } from '../step.ts';

/**
 * drawManifest: decides, once, which objects the next manifest of a destination lists: those that wait now. It sets them
 * apart under a name to which nothing is added. So every uploader that writes this manifest, however often, writes the
 * same. While one is drawn up there is no other (docs/protocol.md, R32).
 *
 * Answers: the token of the manifest that is drawn up; false if nothing waits.
 *
 * The token follows from what is listed. If a draw is executed twice, the second time after the first manifest is done, it
 * draws up another manifest under another token; an uploader that still finishes the first one changes nothing of it.
 */
export const drawManifestStep = step({
  name: 'drawManifest',
  draining: true,
  keys: ['waitingIn', 'listing'],
  args: {},
  lua: `
local drawn = redis.call('HGET', listing, '')
if drawn then return drawn end -- rule: manifest.one-at-a-time
local segments = redis.call('HKEYS', waitingIn)
if #segments == 0 then return false end
table.sort(segments)
local token = redis.sha1hex(table.concat(segments, ' '))
redis.call('RENAME', waitingIn, listing)
redis.call('HSET', listing, '', token)
return token
`,
});

/**
 * manifestListed: the manifest with this token is stored in the bucket, so its objects wait no longer.
 *
 * In: the list of the destination, the token. Answers: `listed`; `gone`: another token is drawn up, or none. That manifest was done
 * before, and nothing changes.
 * Checked before the first write: the types of the keys, the token.
 */
export const manifestListedStep = step({
  name: 'manifestListed',
  draining: true,
  keys: ['unlisted', 'waitingIn', 'listing'],
  args: { list: 'text', token: 'text' },
  lua: `
redis.call('HLEN', unlisted)
local rest = redis.call('HLEN', waitingIn)
if redis.call('HGET', listing, '') ~= token then return 'gone' end
redis.call('UNLINK', listing)
if rest == 0 then redis.call('HDEL', unlisted, list) else redis.call('HSET', unlisted, list, rest) end
return 'listed'
`,
});

/** What a manifest lists: decided, and the same for every uploader that reads it. */
export interface DrawnManifest {
  readonly destination: Destination;
  /** Of this set of receipts, and of no other. */
  readonly token: string;
  readonly receipts: readonly Receipt[];
}

/** `gone`: finished before. */
export type ListedAnswer = 'listed' | 'gone';

export async function drawManifest(
  redis: RedisPort,
  keys: LaneKeys,
  destination: Destination,
): Promise<DrawnManifest | null> {
  const { waitingIn, listing } = manifestKeys(keys, destination);
  const reply = await drawManifestStep.run(redis, { waitingIn, listing }, {});
  if (reply === null) return null;
  const token = text(reply, `drawing up the manifest of ${listOf(destination)}`);
  const { '': found, ...receipts } = asFields(await redis.call('HGETALL', [listing]));
  if (asText(found) !== token) return null;
  return { destination, token, receipts: Object.values(receipts).map((json) => parseReceipt(asText(json) ?? '')) };
}

/** The token of the manifest that is drawn up; null if none is. */
export async function drawnToken(redis: RedisPort, keys: LaneKeys, destination: Destination): Promise<string | null> {
  return asText(await redis.call('HGET', [manifestKeys(keys, destination).listing, '']));
}

export async function manifestListed(
  redis: RedisPort,
  keys: LaneKeys,
  { destination, token }: Pick<DrawnManifest, 'destination' | 'token'>,
): Promise<ListedAnswer> {
  const list = listOf(destination);
  const waiting = { unlisted: keys.unlisted, ...manifestKeys(keys, destination) };
  const reply = await manifestListedStep.run(redis, waiting, { list, token });
  return oneOf(['listed', 'gone'], reply, `finishing the manifest of ${list}`);
}

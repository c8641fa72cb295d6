import { GROUP, type LaneKeys } from '../keys.ts';
import { groupOf } from '../lua/lane.ts';
import { RedisRefused, type RedisPort } from '../port.ts';
import { asList, oneOf, text } from '../reply.ts';
import { step } from '../step.ts';

/** The format of the lanes that this release reads and writes. */
export const LANE_VERSION = '1';

/**
 * open: creates the lane's metadata (format version and uid), its stream and its consumer group where they are missing.
 *
 * In: the group, the uid of a lane that has none yet, the format version.
 * Answers: `open` and the lane's uid; or `version` and the version of a lane in another format, which stays as it is.
 * Checked before the first write: the format, the type of the stream.
 */
export const openStep = step({
  name: 'open',
  draining: true,
  keys: ['chunks', 'meta'],
  args: { group: 'text', uid: 'text', version: 'text' },
  uses: [groupOf],
  lua: `
local stored = redis.call('HGET', meta, 'v')
if stored and stored ~= version then return {'version', stored} end
local found = redis.call('EXISTS', chunks) == 1 and groupOf(chunks, group)
redis.call('HSETNX', meta, 'v', version)
redis.call('HSETNX', meta, 'uid', uid)
if not found then redis.call('XGROUP', 'CREATE', chunks, group, '0', 'MKSTREAM') end
return {'open', redis.call('HGET', meta, 'uid')}
`,
});

/** @throws RedisRefused NEWER for a lane that a newer release wrote */
export async function openLane(redis: RedisPort, lane: number, keys: LaneKeys, uid: string): Promise<string> {
  const action = `opening lane ${lane}`;
  const [kind, value] = asList(await openStep.run(redis, keys, { group: GROUP, uid, version: LANE_VERSION }));
  const answer = text(value, action);
  if (oneOf(['open', 'version'], kind, action) === 'open') return answer;
  throw new RedisRefused(action, `NEWER ${newerFormat(lane, answer)}`);
}

export function newerFormat(lane: number, format: string): string {
  return `lane ${lane} has format ${format}: a newer release wrote it; upgrade`;
}

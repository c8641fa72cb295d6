import { GROUP, type LaneKeys } from '../keys.ts';
import { RedisRefused, type RedisPort } from '../port.ts';
import { asList, oneOf, text } from '../reply.ts';
import { open as openScript } from '../scripts/open.ts';

/** The format of the lanes that this release reads and writes. */
export const LANE_VERSION = '1';

export async function openLane(redis: RedisPort, lane: number, keys: LaneKeys, uid: string): Promise<string> {
  const action = `opening lane ${lane}`;
  const [kind, value] = asList(await redis.run(openScript, [keys.chunks, keys.meta], [GROUP, uid, LANE_VERSION]));
  const answer = text(value, action);
  if (oneOf(['open', 'version'], kind, action) === 'open') return answer;
  throw new RedisRefused(action, `NEWER ${newerFormat(lane, answer)}`);
}

export function newerFormat(lane: number, format: string): string {
  return `lane ${lane} has format ${format}: a newer release wrote it; upgrade`;
}

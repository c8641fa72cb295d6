import { lanesKey } from '../keys.ts';
import { type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asInteger } from '../reply.ts';
import { step } from '../step.ts';

/**
 * rememberLanes: adds lane numbers to those that the sink ever used. It runs at maxmemory too: without it a sink could not
 * start there to drain.
 *
 * In: the lane numbers. Answers: all that were ever added.
 */
export const rememberLanesStep = step({
  name: 'rememberLanes',
  draining: true,
  keys: ['known'],
  args: { lanes: 'list' },
  lua: `
for _, lane in ipairs(lanes) do redis.call('SADD', known, lane) end
return redis.call('SMEMBERS', known)
`,
});

/**
 * Remembers that the sink uses the lanes 0 to `lanes` - 1, and returns the numbers of all lanes it ever used, in order: a
 * lane that was removed from the configuration still drains.
 */
export async function rememberLanes(redis: RedisPort, sinkName: string, lanes: number): Promise<number[]> {
  const own = Array.from({ length: lanes }, (_, lane) => lane);
  const reply = await rememberLanesStep.run(redis, { known: lanesKey(sinkName) }, { lanes: own });
  if (!Array.isArray(reply)) throw new UnexpectedAnswer('remembering lanes', reply);
  const known = reply.map(asInteger).filter((lane) => lane !== null);
  return [...new Set([...own, ...known])].sort((a, b) => a - b);
}

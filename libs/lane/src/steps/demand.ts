import { demandKey } from '../keys.ts';
import { type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asText, integer } from '../reply.ts';
import { step } from '../step.ts';

/**
 * reportDemand: an ingest process says what it wants of the limits of producers, and reads what all others want. Reports have
 * an age by Redis' clock: processes that did not report for `ttlMs` are dropped, also those whose report seems to come from
 * the future, because a failover changed the clock.
 *
 * It is no draining step: at maxmemory Redis refuses it whole at its first write. Nothing is accepted then, and each process
 * keeps the share that it has.
 *
 * In: the process, its report (a text for Redis), how long reports count, in milliseconds.
 * Answers: Redis' time in milliseconds, then process and report of each process, the caller's among them.
 */
export const reportDemandStep = step({
  name: 'reportDemand',
  draining: false,
  keys: ['demand'],
  args: { me: 'text', report: 'text', ttlMs: 'number' },
  lua: `
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', demand, me, string.format('%.0f %s', nowMs, report))
redis.call('PEXPIRE', demand, ttlMs)
local answer = {string.format('%.0f', nowMs)}
local all = redis.call('HGETALL', demand)
for i = 1, #all, 2 do
  local sinceMs, text = string.match(all[i + 1], '^(%d+) (.*)$')
  if sinceMs and math.abs(nowMs - tonumber(sinceMs)) < ttlMs then
    answer[#answer + 1] = all[i]
    answer[#answer + 1] = text
  else
    redis.call('HDEL', demand, all[i])
  end
end
return answer
`,
});

export interface Demand {
  /** Redis' time, which is the same for all processes. */
  readonly nowMs: number;
  /** Process -> its report. */
  readonly reports: ReadonlyMap<string, string>;
}

/** @throws RedisFailure; UnexpectedAnswer */
export async function reportDemand(
  redis: RedisPort,
  sinkName: string,
  { me, report, ttlMs }: { me: string; report: string; ttlMs: number },
): Promise<Demand> {
  const reply = await reportDemandStep.run(redis, { demand: demandKey(sinkName) }, { me, report, ttlMs });
  if (!Array.isArray(reply)) throw new UnexpectedAnswer('reporting demand', reply);
  const [nowMs, ...pairs] = reply as unknown[];
  const reports = new Map<string, string>();
  for (let i = 0; i + 1 < pairs.length; i += 2) reports.set(asText(pairs[i]) ?? '', asText(pairs[i + 1]) ?? '');
  return { nowMs: integer(nowMs, 'reporting demand'), reports };
}

/** The process wants nothing any more: what it had is there for others at once. */
export async function withdrawDemand(redis: RedisPort, sinkName: string, me: string): Promise<void> {
  await redis.call('HDEL', [demandKey(sinkName), me]);
}

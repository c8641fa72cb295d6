import type { RedisSettings } from '@sink/config';
import type { Cluster, Redis } from 'ioredis';
import { examineRedis, type RedisExamination } from './examine.ts';
import { operatorProblem, RedisUnfit } from './redis-unfit.ts';
import type { Requirements } from './requirements.ts';

/** The first try usually comes before the connection is there. */
const RETRY_WAIT_MS_MIN = 10;
const RETRY_WAIT_MS_MAX = 500;
/** Time between two lines in the log. */
const LOG_EVERY_MS = 5_000;

export interface AwaitRedisPorts {
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly readiness: { set(name: string, problem: string | null): void };
  readonly clock: { sleep(ms: number, signal?: AbortSignal): Promise<void>; monotonicMs(): number };
  readonly signal: AbortSignal;
}

/**
 * Waits, for as long as it takes, until Redis answers, and examines it. An unfit one (and a refused login) ends the
 * start at once: only a person can put it right.
 * @throws RedisUnfit; the reason of `signal` when it aborts
 */
export async function awaitRedis(
  redis: Redis | Cluster,
  required: Requirements,
  ports: AwaitRedisPorts,
): Promise<RedisExamination> {
  const { clock, log, readiness, signal } = ports;
  // A call without a connection fails with no reason: the connection itself knows it.
  let connectionError: Error | null = null;
  const remember = (error: Error): void => {
    connectionError = lastErrorOf(error);
  };
  redis.on('error', remember);
  try {
    let loggedAtMs = clock.monotonicMs();
    for (let waitMs = RETRY_WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_WAIT_MS_MAX)) {
      signal.throwIfAborted();
      try {
        const examination = await examineRedis(redis, required);
        readiness.set('redis', null);
        for (const warning of examination.warnings) log.warn({ warning }, 'redis');
        log.info({ ...examination }, 'redis is fit');
        return examination;
      } catch (error) {
        if (error instanceof RedisUnfit) throw error;
        const reason = reasonOf(error, connectionError);
        const problem = operatorProblem(reason);
        if (problem) throw new RedisUnfit([problem], { cause: reason });
        readiness.set('redis', `Redis does not answer: ${reason.message}`);
        if (clock.monotonicMs() - loggedAtMs >= LOG_EVERY_MS) {
          log.warn({ reason: reason.message }, 'waiting for redis');
          loggedAtMs = clock.monotonicMs();
        }
      }
      await clock.sleep(waitMs, signal);
    }
  } finally {
    redis.off('error', remember);
  }
}

/** Of a Cluster that can't be reached, what its last node said. */
function lastErrorOf(error: Error): Error {
  return 'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : error;
}

function reasonOf(error: unknown, connectionError: Error | null): Error {
  const isReply = error instanceof Error && error.name === 'ReplyError';
  if (!isReply && connectionError !== null) return connectionError;
  return error instanceof Error ? error : new Error(String(error));
}

/** The Redis a service was given. Only the supervisor runs one of its own. */
export function requireRedis(settings: RedisSettings | null): RedisSettings {
  if (settings) return settings;
  throw new Error(
    'connecting to Redis: redis.url is not set; a service by itself needs one (SINK_REDIS_URL, or redis.url in the configuration)',
  );
}

import type { RedisSettings } from '@sink/config';
import type { Cluster, Redis } from 'ioredis';
import { examineRedis, RedisUnfit, type RedisExamination, type Requirements } from './examine.ts';

const RETRY_WAIT_MS = 500;
/** Tries without an answer between two lines in the log. */
const TRIES_PER_LOG = 10;

export interface AwaitRedisPorts {
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly readiness: { set(name: string, problem: string | null): void };
  readonly clock: { sleep(ms: number, signal?: AbortSignal): Promise<void> };
  readonly signal: AbortSignal;
}

/**
 * Waits until Redis answers, and examines it. An unfit one ends the start at once: only a person can put it right.
 * @throws RedisUnfit; Error when `signal` aborts
 */
export async function awaitRedis(
  redis: Redis | Cluster,
  required: Requirements,
  ports: AwaitRedisPorts,
): Promise<RedisExamination> {
  const { clock, log, readiness, signal } = ports;
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      const examination = await examineRedis(redis, required);
      readiness.set('redis', null);
      for (const warning of examination.warnings) log.warn({ warning }, 'Redis');
      log.info({ ...examination }, 'Redis is fit');
      return examination;
    } catch (error) {
      if (error instanceof RedisUnfit) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      readiness.set('redis', 'Redis does not answer');
      if (attempt % TRIES_PER_LOG === TRIES_PER_LOG - 1) log.warn({ reason }, 'waiting for Redis');
      await clock.sleep(RETRY_WAIT_MS, signal);
    }
  }
}

/** The Redis a service was given. Only the supervisor runs one of its own. */
export function requireRedis(settings: RedisSettings | null): RedisSettings {
  if (settings) return settings;
  throw new Error(
    'connecting to Redis: redis.url is not set; a service by itself needs one (SINK_REDIS_URL, or redis.url in the configuration)',
  );
}

import type { RedisSettings } from '@sink/config';

/** The Redis that a service is configured for. Only the supervisor runs one of its own. */
export function requireRedis(settings: RedisSettings | null): RedisSettings {
  if (settings) return settings;
  throw new Error(
    'connecting to Redis: redis.url is not set; a service that runs alone needs it (SINK_REDIS_URL, or redis.url in the configuration)',
  );
}

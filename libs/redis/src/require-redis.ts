import { createSecureContext } from 'node:tls';
import type { RedisSettings } from '@sink/config';
import { tlsOptions } from './connect.ts';
import { RedisUnfit } from './requirements.ts';

/**
 * The Redis that a service is configured for. Only the supervisor runs one of its own.
 * @throws Error when none is configured; RedisUnfit when the files of TLS cannot be used: ioredis would end such a
 * connection for good
 */
export function requireRedis(settings: RedisSettings | null): RedisSettings {
  if (settings === null) {
    throw new Error(
      'connecting to Redis: redis.url is not set; a service that runs alone needs it (SINK_REDIS_URL, or redis.url in the configuration)',
    );
  }
  try {
    if (settings.tls !== null) createSecureContext(tlsOptions(settings.tls));
  } catch (cause) {
    const found = `the files of TLS cannot be used (${cause instanceof Error ? cause.message : String(cause)})`;
    const remedy = 'they have to be PEM, and redis.tls_key_file the key of redis.tls_cert_file';
    throw new RedisUnfit([{ code: 'tls', found, remedy }], { cause });
  }
  return settings;
}

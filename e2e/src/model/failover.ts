import type { RedisPort } from '@sink/lane';

/**
 * Copies all keys of a sink and returns the function that restores them, which is the effect of a failover to a replica
 * that lags. Leases stay as they are, because no rule depends on them.
 */
export async function takeReplica(redis: RedisPort, sinkName: string): Promise<() => Promise<void>> {
  const dumps = new Map<string, unknown>();
  for (const key of await keysOf(redis, sinkName)) dumps.set(key, await redis.callBuffer('DUMP', [key]));
  return async () => {
    const gone = await keysOf(redis, sinkName);
    if (gone.length > 0) await redis.call('DEL', gone);
    for (const [key, dump] of dumps) {
      if (Buffer.isBuffer(dump)) await redis.call('RESTORE', [key, 0, dump]);
    }
  };
}

async function keysOf(redis: RedisPort, sinkName: string): Promise<string[]> {
  const keys: unknown = await redis.call('KEYS', [`?${sinkName}[:}]*`]);
  return (Array.isArray(keys) ? keys.map(String) : []).filter((key) => !key.includes(':lease:'));
}

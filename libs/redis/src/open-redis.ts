import type { ServiceContext } from '@sink/runtime';
import type { Cluster, Redis } from 'ioredis';
import { awaitRedis, requireRedis } from './await-redis.ts';
import { connectRedis, type ConnectionRole, type ConnectOptions } from './connect.ts';

/** How long one write waits for its durability before it is repeated. */
const DURABILITY_TIMEOUT_MS = 1_000;

/** The Redis of one service, examined. */
export interface ServiceRedis {
  /** The service's own connection for commands; it closes when the service stops. */
  readonly commands: Redis | Cluster;
  /** Opens a further connection, which the caller closes. Its errors go to the log. */
  readonly connect: (role: ConnectionRole, options?: Omit<ConnectOptions, 'onError'>) => Redis | Cluster;
  /** What a write waits for before it counts as durable (a `DurabilityBarrier` of libs/lane). */
  readonly barrier: { readonly waitaof: boolean; readonly replicas: number; readonly timeoutMs: number };
  /** What the sink may store in Redis, over all lanes, receipts not counted. */
  readonly backlogBytesMax: number;
}

/**
 * Connects a service to the Redis of its configuration, waits until it answers, and examines it.
 * @throws RedisUnfit; Error when no Redis is configured; the reason of the context's signal when it aborts
 */
export async function openRedis(context: ServiceContext): Promise<ServiceRedis> {
  const { config, log, shutdown } = context;
  const settings = requireRedis(config.redis);
  const connect: ServiceRedis['connect'] = (role, options = {}) =>
    connectRedis(settings, role, { ...options, onError: (err) => log.debug({ err }, 'redis connection') });
  const commands = connect('commands');
  shutdown.add('redis', async () => commands.disconnect());
  const { features, backlogBytesMax } = await awaitRedis(commands, config, context);
  const barrier = {
    waitaof: config.durability === 'fsync' && features.waitaof,
    replicas: config.replicas,
    timeoutMs: DURABILITY_TIMEOUT_MS,
  };
  return { commands, connect, barrier, backlogBytesMax };
}

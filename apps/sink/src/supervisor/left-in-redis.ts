/**
 * What is in the sink's Redis while none of its services runs. The supervisor imports this file only when it needs it,
 * because a client of Redis costs 20 MB.
 */
import { once } from 'node:events';
import type { RedisSettings, SinkConfig } from '@sink/config';
import { BatcherLane, IoredisPort, LaneView, type RedisPort, rememberLanes } from '@sink/lane';
import { connectRedis } from '@sink/redis';

/** The settings of the sink's own Redis, from its address. */
export function ownRedisSettings(url: string): RedisSettings {
  const { hostname, port, password } = new URL(url);
  return { target: { kind: 'single', host: hostname, port: Number(port) }, password, db: 0, tls: null, natMap: {} };
}

/**
 * Ends the leases of all batchers, so that the next one takes over their chunks at once. Only for a Redis none of whose
 * batchers is alive. (If one were after all, it would find its lease gone, and start again under another name.)
 */
export function endLeases(redis: RedisSettings, config: SinkConfig, timeoutMs: number): Promise<void> {
  return withLanes(redis, config, timeoutMs, async (port, lanes) => {
    for (const number of lanes) {
      const lane = new BatcherLane(port, config.sinkName, number);
      if ((await lane.uid()) === null) continue;
      for (const consumer of await lane.consumers()) await lane.leave(consumer);
    }
  });
}

/** Accepted events that are not in the bucket. */
export interface EventsLeft {
  readonly inRedis: number;
  readonly inSpool: number;
}

export function countEventsLeft(redis: RedisSettings, config: SinkConfig, timeoutMs: number): Promise<EventsLeft> {
  return withLanes(redis, config, timeoutMs, async (port, lanes) => {
    const left = { inRedis: 0, inSpool: 0 };
    for (const number of lanes) {
      const lane = new LaneView(port, config.sinkName, number);
      left.inRedis += (await lane.backlog()).events;
      left.inSpool += (await lane.spilledBacklog()).events;
    }
    return left;
  });
}

async function withLanes<T>(
  redis: RedisSettings,
  { sinkName, lanes }: SinkConfig,
  timeoutMs: number,
  work: (port: RedisPort, lanes: readonly number[]) => Promise<T>,
): Promise<T> {
  const client = connectRedis(redis, 'commands', { onError: () => undefined, commandTimeoutMs: timeoutMs });
  try {
    await once(client, 'ready', { signal: AbortSignal.timeout(timeoutMs) });
    const port = new IoredisPort(client);
    return await work(port, await rememberLanes(port, sinkName, lanes));
  } finally {
    client.disconnect();
  }
}

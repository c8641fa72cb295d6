import { join } from 'node:path';
import type { Environment, SinkConfig } from '@sink/config';
import { awaitRedis, connectRedis, type RedisExamination, requireRedis } from '@sink/redis';
import { createLogger, silentLog, systemClock } from '@sink/runtime';
import { DataDirectoryInUse, lockDataDirectory } from '../own-redis/data-lock.ts';
import { startOwnRedis } from '../own-redis/own-redis.ts';
import { readLastRedis } from '../own-redis/redis-conf.ts';
import { StartError } from '../start-error.ts';

const STOP_MS = 10_000;
const ANSWER_MS = 5_000;

export interface AttachedRedis {
  /** redis://, with the password: a secret. Null: the Redis of the configuration. */
  readonly url: string | null;
  release(): Promise<void>;
}

/**
 * The Redis of a sink, for a tool beside it: the Redis of the configuration, else the sink's own. If the sink's own
 * does not run, this starts it for as long as the tool runs.
 * @throws StartError
 */
export async function attachRedis(config: SinkConfig, env: Environment, signal: AbortSignal): Promise<AttachedRedis> {
  if (config.redis !== null) return { url: null, release: async () => undefined };
  const directory = join(config.dataDir, 'redis');
  try {
    const log = createLogger({ service: 'sink', level: 'error', secrets: config.secrets });
    const ports = { clock: systemClock, log, signal };
    const lock = await lockDataDirectory(join(directory, 'sink.lock'), { ...ports, waits: false });
    if (lock === null) throw new StartError('redis_failed', 'stopped while its Redis was starting');
    try {
      const redis = await startOwnRedis({ directory, port: 0, env, lock, ...ports });
      if (redis === null) throw new StartError('redis_failed', 'stopped while its Redis was starting');
      return {
        url: redis.url,
        release: async () => {
          await redis.stop(STOP_MS);
          lock.release();
        },
      };
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    if (!(error instanceof DataDirectoryInUse)) throw error;
    // Its Redis listens on 127.0.0.1, which is another one in another container.
    if (error.isElsewhere) {
      const where = 'the sink of this data_dir runs in another container, or on another host';
      throw new StartError('data_dir_in_use', `${where}: run this command there (docker exec, kubectl exec)`, {
        cause: error,
      });
    }
    const running = readLastRedis(directory);
    if (running === null) throw error;
    return { url: `redis://:${running.password}@127.0.0.1:${running.port}`, release: async () => undefined };
  }
}

/** A tool's connection to the sink's Redis. The caller disconnects it. */
export function connectTool(config: SinkConfig): ReturnType<typeof connectRedis> {
  return connectRedis(requireRedis(config.redis), 'commands', { onError: () => undefined });
}

/**
 * Waits up to `answerMs` milliseconds until Redis answers, and examines it.
 * @throws RedisUnfit, or an Error that says why the connection failed
 */
export async function toolConnected(
  client: ReturnType<typeof connectRedis>,
  config: SinkConfig,
  answerMs = ANSWER_MS,
): Promise<RedisExamination> {
  const said: (string | null)[] = [];
  try {
    return await awaitRedis(client, config, {
      log: silentLog,
      readiness: { set: (_, found) => void said.push(found) },
      clock: systemClock,
      signal: AbortSignal.timeout(answerMs),
    });
  } catch (error) {
    if (!(error instanceof Error && error.name === 'TimeoutError')) throw error;
    throw new Error(said.at(-1) ?? 'Redis does not answer', { cause: error });
  }
}

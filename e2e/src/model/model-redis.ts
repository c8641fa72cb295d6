import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { IoredisPort, type RedisPort } from '@sink/lane';
import { eventually, startRedis } from '@sink/testing';

const ANSWER_MAX_MS = 500;

/** A real Redis, and what can happen to it as a whole. */
export interface ModelRedis {
  readonly port: RedisPort;
  /** SIGKILL, and again from its append-only file. */
  crash(): Promise<void>;
  /** Until `freed`, Redis is at its maxmemory: what may not run there is refused. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** A Redis for the model: what it has answered is in its file, which a crash of the process alone does not lose. */
export async function withModelRedis(run: (redis: ModelRedis) => Promise<void>): Promise<void> {
  const server = await startRedis({ args: ['--appendfsync', 'no', '--auto-aof-rewrite-min-size', '1mb'] });
  const client = new Redis(server.url, { maxRetriesPerRequest: 0, retryStrategy: () => 10 });
  client.on('error', () => undefined);
  try {
    await run({
      port: new IoredisPort(client),
      crash: async () => {
        await server.kill();
        await server.restart();
        // A command of the moment between two connections may never be answered.
        await eventually(() => Promise.race([client.ping(), unanswered()]), { intervalMs: 2, timeoutMs: 15_000 });
      },
      fill: async () => {
        await client.config('SET', 'maxmemory', '1');
      },
      free: async () => {
        await client.config('SET', 'maxmemory', '256mb');
      },
    });
  } finally {
    client.disconnect();
    await server.stop();
  }
}

async function unanswered(): Promise<never> {
  await sleep(ANSWER_MAX_MS);
  throw new Error('Redis does not answer yet');
}

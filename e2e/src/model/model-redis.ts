import { Redis } from 'ioredis';
import { IoredisPort, type RedisPort } from '@sink/lane';
import { startRedis } from '@sink/testing';

/** A real Redis for the model. Its schedule has no crash of Redis, so it does without fsync. */
export async function withModelRedis(run: (redis: RedisPort) => Promise<void>): Promise<void> {
  const server = await startRedis({ args: ['--appendonly', 'no'] });
  const client = new Redis(server.url, { maxRetriesPerRequest: 0, enableOfflineQueue: true });
  try {
    await run(new IoredisPort(client));
  } finally {
    client.disconnect();
    await server.stop();
  }
}

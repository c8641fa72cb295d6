import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Durability, IoredisPort } from '@sink/lane';
import { awaitRedis, connectRedis, requireRedis } from '@sink/redis';
import { describeError, type ServiceContext } from '@sink/runtime';
import { openSpool, SpoolError } from '@sink/spool';
import { UploadQueue } from '@sink/uploads';
import type { BatcherInstance } from './instance.ts';
import { Instances } from './instances.ts';
import { BatcherMetrics } from './metrics.ts';

const DURABILITY_TIMEOUT_MS = 1_000;

/** Starts the batcher: chunks in, sealed segments out, on all lanes of the sink. Stopping, it seals what is open. */
export async function startBatcher(context: ServiceContext): Promise<void> {
  const { config, log, readiness, registry, shutdown, signal, clock } = context;
  const redis = requireRedis(config.redis);
  await trySpool(join(config.dataDir, 'spool'));
  const onError = (error: Error): void => log.debug({ err: describeError(error) }, 'redis connection');
  const commands = connectRedis(redis, 'commands', { onError });
  shutdown.add('redis', async () => commands.disconnect());
  const { features } = await awaitRedis(commands, config, { log, readiness, signal, clock });
  const durability: Durability = {
    waitaof: config.durability === 'fsync' && features.waitaof,
    replicas: config.replicas,
    timeoutMs: DURABILITY_TIMEOUT_MS,
  };
  const uploads = new UploadQueue(connectRedis(redis, 'queue', { onError }), config.sinkName, { log });
  shutdown.add('upload queue', () => uploads.close());

  let current: BatcherInstance | null = null;
  const instances = new Instances({
    ...{ config, redis, durability, uploads, clock, log, readiness },
    commands: new IoredisPort(commands),
    metrics: new BatcherMetrics(registry, () => current?.openFiles ?? 0),
    onRunning: (instance) => (current = instance),
  });
  const running = instances.runUntil(signal);
  running.catch((error: unknown) => context.fail(error));
  shutdown.add('batcher', () => running.catch(() => undefined)); // told above
}

/**
 * Whether segment files can be written here, so that a wrong `data_dir` shows at the start and not with the first event.
 * @throws SpoolError that only a person can put right
 */
async function trySpool(directory: string): Promise<void> {
  try {
    const spool = await openSpool(directory, `try-${randomUUID()}`);
    await spool.close();
  } catch (error) {
    if (!(error instanceof SpoolError && (error.retryable || error.code === 'spool_gone'))) throw error;
  }
}

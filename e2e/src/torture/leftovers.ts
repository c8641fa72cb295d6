import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { GROUP } from '@sink/lane';
import { Redis } from 'ioredis';
import type { Pipeline } from '../harness/pipeline.ts';

/**
 * The keys that stay in Redis at the end: a lane's identity, its (capped) receipts and their places, the writers of killed ingests,
 * which expire after an hour, and what BullMQ keeps of a queue without jobs.
 */
const PERMANENT = [
  /^\{[^}]+\}:lanes$/,
  /^\{[^}]+\}:(meta|receipts|places|writers)$/,
  /^\{[^}]+:uploads\}:[^:]+:(meta|id|events|stalled-check|marker)$/,
];

/** What a stopped sink leaves and no process needs: keys in Redis, files in the spool. */
export async function leftovers(sink: Pipeline): Promise<string[]> {
  const redis = new Redis(sink.redis.url);
  try {
    const keys = (await redis.keys('*')).filter((key) => !PERMANENT.some((pattern) => pattern.test(key)));
    const inRedis = await Promise.all(keys.map((key) => occupied(redis, key)));
    const entries = await readdir(join(sink.dataDir, 'spool'), { recursive: true, withFileTypes: true });
    const spool = entries.filter((entry) => entry.isFile() && entry.name !== 'spool-id');
    return [...inRedis.flat(), ...spool.map(({ name }) => `spool file ${name}`)];
  } finally {
    redis.disconnect();
  }
}

/** A key that expires is not left over, and neither is a stream without entries and consumers. */
async function occupied(redis: Redis, key: string): Promise<string[]> {
  if ((await redis.pttl(key)) > 0) return [];
  if ((await redis.type(key)) !== 'stream') return [`key ${key}`];
  const [entries, consumers] = [await redis.xlen(key), await redis.xinfo('CONSUMERS', key, GROUP)];
  if (entries === 0 && Array.isArray(consumers) && consumers.length === 0) return [];
  return [`stream ${key}: ${entries} entries, consumers ${JSON.stringify(consumers)}`];
}

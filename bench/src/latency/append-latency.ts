import { Redis } from 'ioredis';
import { type Percentiles, percentiles } from '../report/statistics.ts';

const APPENDS = 2_000;
/** About the bytes of 25 events. */
const BYTES = 8_000;

/** Adds entries to a stream of its own, each after Redis has fsynced and answered the one before. In milliseconds. */
export async function appendLatency(redisUrl: string): Promise<Percentiles> {
  const redis = new Redis(redisUrl);
  try {
    const body = Buffer.alloc(BYTES, 'x');
    const timesMs = new Float64Array(APPENDS);
    for (let n = 0; n < APPENDS; n++) {
      const startMs = performance.now();
      await redis.xadd('bench:reference', '*', 'b', body);
      timesMs[n] = performance.now() - startMs;
    }
    await redis.del('bench:reference');
    return percentiles(timesMs);
  } finally {
    redis.disconnect();
  }
}

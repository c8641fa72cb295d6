import { createHash } from 'node:crypto';
import { gzipSync, constants, zstdCompressSync } from 'node:zlib';
import { startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import type { PreparedChunk } from '../sink/lane-access.ts';
import { usageOf } from '../sink/usage.ts';
import { inTurn } from './chunks.ts';

const REDIS_EVENTS = 500_000;
/** The entries of one pipeline and of one read: about 1 MB of chunks of 100 events. */
const PIPELINE = 32;
const CODEC_BYTES = 64_000_000;

export interface RedisReference {
  readonly addEventsPerSecond: number;
  readonly addCpuMicrosPerEvent: number;
  readonly readEventsPerSecond: number;
  readonly readCpuMicrosPerEvent: number;
}

export interface CodecReference {
  readonly codec: string;
  /** Content per second, in one thread. */
  readonly megabytesPerSecond: number;
  /** Content bytes per compressed byte; null for the hash. */
  readonly times: number | null;
}

/** How fast Redis itself handles the same chunks with the same settings: XADD in a pipeline, then XREADGROUP. */
export async function redisReference(chunks: readonly PreparedChunk[]): Promise<RedisReference> {
  const server = await startRedis({ args: ['--maxmemory', '4gb'] });
  const redis = new Redis(server.url);
  try {
    await redis.xgroup('CREATE', 'chunks', 'readers', '0', 'MKSTREAM');
    const chunk = inTurn(chunks);
    const entries = Math.ceil(REDIS_EVENTS / chunk(0).count);
    const events = entries * chunk(0).count;
    const timed = async (action: () => Promise<void>): Promise<{ perSecond: number; micros: number }> => {
      const [before, startMs] = [usageOf(server.pid).cpuSeconds, performance.now()];
      await action();
      const seconds = (performance.now() - startMs) / 1000;
      return { perSecond: events / seconds, micros: ((usageOf(server.pid).cpuSeconds - before) / events) * 1e6 };
    };
    const add = await timed(async () => {
      for (let first = 0; first < entries; first += PIPELINE) {
        const pipeline = redis.pipeline();
        for (let n = first; n < Math.min(first + PIPELINE, entries); n++) {
          pipeline.xadd('chunks', '*', 'n', chunk(n).count, 'b', chunk(n).body);
        }
        await pipeline.exec();
      }
    });
    const read = await timed(async () => {
      const args = ['GROUP', 'readers', 'one', 'COUNT', PIPELINE, 'STREAMS', 'chunks', '>'] as const;
      while ((await redis.callBuffer('xreadgroup', ...args)) !== null);
    });
    return {
      addEventsPerSecond: add.perSecond,
      addCpuMicrosPerEvent: add.micros,
      readEventsPerSecond: read.perSecond,
      readCpuMicrosPerEvent: read.micros,
    };
  } finally {
    redis.disconnect();
    await server.stop();
  }
}

/** The codecs and the hash alone, in this thread, on the content of the objects. */
export function codecReferences(chunks: readonly PreparedChunk[]): CodecReference[] {
  const all = Buffer.concat(chunks.map(({ body }) => body));
  const content = Buffer.concat(Array.from({ length: Math.ceil(CODEC_BYTES / all.length) }, () => all));
  const zstd = (level: number) => () =>
    zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: level } });
  const codecs: readonly (readonly [string, () => Buffer | null])[] = [
    ['gzip 1', () => gzipSync(content, { level: 1 })],
    ['gzip 6', () => gzipSync(content, { level: 6 })],
    ['zstd 1', zstd(1)],
    ['zstd 3', zstd(3)],
    [
      'SHA-256',
      () => {
        createHash('sha256').update(content).digest();
        return null;
      },
    ],
  ];
  return codecs.map(([codec, compress]) => {
    const before = process.cpuUsage();
    const compressed = compress();
    const { user, system } = process.cpuUsage(before);
    return {
      codec,
      megabytesPerSecond: content.length / (user + system),
      times: compressed && content.length / compressed.length,
    };
  });
}

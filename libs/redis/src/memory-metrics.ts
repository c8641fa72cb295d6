import { Gauge, type Registry } from '@sink/runtime';
import { Cluster, type Redis } from 'ioredis';
import { parseInfo } from './server-settings.ts';

/** A scrape does not wait longer for a Redis that hangs. */
const LOOK_MS = 500;

type Server = Pick<Redis, 'info'>;

interface Memory {
  readonly usedBytes: number;
  /** 0: no limit. */
  readonly maxBytes: number;
}

const UNKNOWN: Memory = { usedBytes: Number.NaN, maxBytes: Number.NaN };

/** The memory of Redis; of a Cluster, that of its fullest master. It is asked at each scrape. */
export function registerMemoryMetrics(registry: Registry, redis: Server | Cluster): void {
  let looking: Promise<Memory> | null = null;
  const look = (): Promise<Memory> =>
    (looking ??= inTime(fullest(redis)).finally(() => {
      looking = null;
    }));
  const gauge = (name: string, help: string, field: keyof Memory): void => {
    const made: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: async () => made.set((await look())[field]),
    });
  };
  gauge('sink_redis_memory_used_bytes', 'Memory that Redis uses; of a Cluster, its fullest master.', 'usedBytes');
  gauge('sink_redis_memory_max_bytes', 'The maxmemory of that Redis; 0: it has no limit.', 'maxBytes');
}

async function fullest(redis: Server | Cluster): Promise<Memory> {
  const masters = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const all = await Promise.all(masters.map(memoryOf));
  const share = ({ usedBytes, maxBytes }: Memory): number => usedBytes / (maxBytes || 1);
  return all.toSorted((a, b) => share(b) - share(a))[0] ?? UNKNOWN;
}

async function memoryOf(server: Server): Promise<Memory> {
  const info = parseInfo(await server.info('memory'));
  return { usedBytes: Number(info.get('used_memory')), maxBytes: Number(info.get('maxmemory')) };
}

/** Unknown after `LOOK_MS`, and where Redis does not say it. */
async function inTime(looked: Promise<Memory>): Promise<Memory> {
  const late = Promise.withResolvers<Memory>();
  const timer = setTimeout(() => late.resolve(UNKNOWN), LOOK_MS);
  try {
    return await Promise.race([looked, late.promise]);
  } catch {
    return UNKNOWN;
  } finally {
    clearTimeout(timer);
  }
}

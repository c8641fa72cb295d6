import { Registry } from '@sink/runtime';
import { type RedisServer, startRedis } from '@sink/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerMemoryMetrics } from './memory-metrics.ts';
import { Connections } from './test/connections.ts';

let server: RedisServer;
const connections = new Connections();
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  connections.close();
  await server.stop();
});

async function values(registry: Registry): Promise<(number | undefined)[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map(({ values: [sample] }) => sample?.value);
}

test('the memory of Redis is asked at each scrape, and unknown while Redis does not answer', async () => {
  const redis = await connections.ready(server);
  const registry = new Registry();
  registerMemoryMetrics(registry, redis);
  const [used = 0, max] = await values(registry);
  expect(used).toBeGreaterThan(100_000);
  expect(max).toBe(256 * 1024 ** 2);

  await redis.set('large', Buffer.alloc(5_000_000));
  await redis.config('SET', 'maxmemory', '0');
  const [more = 0, unlimited] = await values(registry);
  expect(more).toBeGreaterThan(used + 4_000_000);
  expect(unlimited).toBe(0);

  server.signal('SIGSTOP');
  const startedMs = performance.now();
  expect(await values(registry)).toEqual([Number.NaN, Number.NaN]);
  expect(performance.now() - startedMs).toBeLessThan(4_000); // a call may take five seconds
  server.signal('SIGCONT');
});

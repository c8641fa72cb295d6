import { Registry } from '@sink/runtime';
import { expect, test } from 'vitest';
import { NO_LIMITS } from '../test/limits-world.ts';
import { registerLimitMetrics } from './metrics.ts';
import { RateLimits } from './rate-limits.ts';

test('metrics have the limits of each producer, and while it sends what this process has and wants of them', async () => {
  const clock = { nowMs: 0 };
  const limits = new RateLimits({ nowMs: () => clock.nowMs, random: () => 0 });
  const billing = { name: 'billing', limits: { ...NO_LIMITS, eventsPerSecond: 100, requestsInFlight: 10 } };
  const registry = new Registry();
  registerLimitMetrics(registry, limits, () => [billing, { name: 'free', limits: NO_LIMITS }]);
  const lines = async (): Promise<string[]> =>
    (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(await lines()).toEqual([
    'sink_ingest_producer_limit{producer="billing",limit="events_per_second"} 100',
    'sink_ingest_producer_limit{producer="billing",limit="requests_in_flight"} 10',
  ]);
  limits.enter(billing);
  limits.charge(billing, 40, 1);
  clock.nowMs += 1_000;
  limits.divide(new Map([['own', limits.endPeriod()]]), 'own', 0);
  expect((await lines()).slice(2)).toEqual([
    'sink_ingest_producer_limit_share{producer="billing",limit="events_per_second"} 100',
    'sink_ingest_producer_limit_share{producer="billing",limit="requests_in_flight"} 10',
    'sink_ingest_producer_limit_demand{producer="billing",limit="events_per_second"} 40',
    'sink_ingest_producer_limit_demand{producer="billing",limit="requests_in_flight"} 1',
  ]);
});

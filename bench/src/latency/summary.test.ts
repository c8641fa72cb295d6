import { expect, test } from 'vitest';
import { type LatencyRun, latencyTable } from './summary.ts';

const spread = (ms: number) => ({ p50: ms, p99: 2 * ms, p999: 3 * ms, max: 4 * ms });
const run = (sinkMs: number): LatencyRun => ({
  topEventsPerSecond: 20_000,
  requestsPerSecond: 10_000,
  bare: { latencyMs: spread(0.5), sendLagMs: spread(0.1) },
  sink: { latencyMs: spread(sinkMs), sendLagMs: spread(0.2) },
  appendMs: spread(0.3),
});

test('each percentile is the median over the runs, and only the sink has goals', () => {
  const { figures } = latencyTable('latency', [run(1), run(9), run(2)]);
  const p99 = figures.filter(({ row }) => row === 'latency, p99, ms');
  expect(p99).toEqual([
    { row: 'latency, p99, ms', column: 'bare server', value: 1 },
    { row: 'latency, p99, ms', column: 'sink', value: 4, goal: { atMost: 10 } },
    { row: 'latency, p99, ms', column: 'one append in Redis', value: 0.6 },
  ]);
});

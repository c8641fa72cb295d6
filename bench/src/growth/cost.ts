import type { Figure } from '../report/figure.ts';
import { SERVICES } from '../sink/service.ts';
import type { BareRun, SinkRun } from '../throughput/runs.ts';

/** A run of the bare server and then of the sink. The columns differ in one thing. */
export interface GrowthPoint {
  readonly column: string;
  readonly bare: BareRun;
  readonly sink: SinkRun;
}

/** CPU microseconds an event of ingest, batcher, uploader and Redis together. */
export function wholeMicros({ sink }: GrowthPoint): number {
  return 1e6 / sink.eventsPerCpuSecond;
}

/** The rates and the cost per event of one column. */
export function costFigures(point: GrowthPoint): Figure[] {
  const { column, bare, sink } = point;
  const micros = (name: (typeof SERVICES)[number] | 'redis'): number =>
    (sink.cpuSeconds[name] / sink.stored.events) * 1e6;
  return [
    { row: 'sink: events/s', column, value: sink.eventsPerSecond },
    { row: 'bare server: requests/s', column, value: bare.requestsPerSecond },
    { row: 'bare server: CPU µs a request', column, value: 1e6 / bare.requestsPerCpuSecond },
    { row: 'whole sink: CPU µs an event', column, value: wholeMicros(point) },
    ...SERVICES.map((name) => ({ row: `${name}: CPU µs an event`, column, value: micros(name) })),
    { row: 'Redis: CPU µs an event', column, value: micros('redis') },
    {
      row: 'whole sink to bare server, per CPU second',
      column,
      value: sink.eventsPerCpuSecond / bare.requestsPerCpuSecond,
    },
  ];
}

import type { TrafficName } from '../load/traffic.ts';
import type { Goal, Table } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import { SERVICES, type ServiceName } from '../sink/service.ts';
import type { ThroughputRuns } from './throughput.ts';

/** The highest memory of a service. It does not apply to Redis, whose memory is that of the backlog. */
const RSS_BYTES_MAX = 256 * 1024 * 1024;

const RSS_MB: Goal = { atMost: 200 };
/** Events per CPU second, relative to the requests per CPU second of the bare server. */
const GOALS: Readonly<Partial<Record<TrafficName, { readonly whole: number; readonly ingest?: number }>>> = {
  binary: { whole: 0.6, ingest: 0.8 },
  structured: { whole: 0.65, ingest: 0.85 },
  batch: { whole: 5 },
};

/** Medians over the runs of a scenario; for memory the highest value. */
export interface ThroughputSummary {
  readonly bareRequestsPerSecond: number;
  readonly bareRequestsPerCpuSecond: number;
  readonly eventsPerSecond: number;
  readonly eventsPerCpuSecond: number;
  readonly ingestEventsPerCpuSecond: number;
  /** CPU microseconds an event, by process. Includes the S3 stand-in, which no other figure does. */
  readonly cpuMicrosPerEvent: Readonly<Record<ServiceName | 'redis' | 's3', number>>;
  /** Events per CPU second, relative to the bare server: the figure that can be compared between machines. */
  readonly ratioWhole: number;
  readonly ratioIngest: number;
  readonly rssPeakBytes: Readonly<Record<ServiceName | 'redis', number>>;
  readonly drainSeconds: number;
}

export function summarise({ runs }: ThroughputRuns): ThroughputSummary {
  const over = (figure: (run: (typeof runs)[number]) => number): number => median(runs.map(figure));
  const cpu = (name: ServiceName | 'redis' | 's3'): number =>
    over(({ sink }) => (sink.cpuSeconds[name] / sink.stored.events) * 1e6);
  const rss = (name: ServiceName | 'redis'): number => Math.max(...runs.map(({ sink }) => sink.rssPeakBytes[name]));
  return {
    bareRequestsPerSecond: over(({ bare }) => bare.requestsPerSecond),
    bareRequestsPerCpuSecond: over(({ bare }) => bare.requestsPerCpuSecond),
    eventsPerSecond: over(({ sink }) => sink.eventsPerSecond),
    eventsPerCpuSecond: over(({ sink }) => sink.eventsPerCpuSecond),
    ingestEventsPerCpuSecond: over(({ sink }) => sink.ingestEventsPerCpuSecond),
    cpuMicrosPerEvent: {
      ingest: cpu('ingest'),
      batcher: cpu('batcher'),
      uploader: cpu('uploader'),
      redis: cpu('redis'),
      s3: cpu('s3'),
    },
    ratioWhole: over(({ bare, sink }) => sink.eventsPerCpuSecond / bare.requestsPerCpuSecond),
    ratioIngest: over(({ bare, sink }) => sink.ingestEventsPerCpuSecond / bare.requestsPerCpuSecond),
    rssPeakBytes: { ingest: rss('ingest'), batcher: rss('batcher'), uploader: rss('uploader'), redis: rss('redis') },
    drainSeconds: over(({ sink }) => sink.drainSeconds),
  };
}

/** One line for each service that took more memory than the limit. */
export function memoryProblems({ rssPeakBytes }: ThroughputSummary): string[] {
  return SERVICES.filter((name) => rssPeakBytes[name] >= RSS_BYTES_MAX).map(
    (name) => `${name} held ${Math.round(rssPeakBytes[name] / 2 ** 20)} MiB, ${RSS_BYTES_MAX / 2 ** 20} are allowed`,
  );
}

/** The summary as figures; `column` is the scenario. */
export function throughputTables(name: TrafficName, column: string, summary: ThroughputSummary): Table[] {
  const { cpuMicrosPerEvent, rssPeakBytes } = summary;
  const goals = GOALS[name];
  const rows: readonly (readonly [row: string, value: number, goal?: Goal | undefined])[] = [
    ['bare server, one event a request: requests/s', summary.bareRequestsPerSecond],
    ['bare server, one event a request: requests per CPU second', summary.bareRequestsPerCpuSecond],
    ['sink: events/s, acknowledged', summary.eventsPerSecond],
    ['ingest: events per CPU second', summary.ingestEventsPerCpuSecond],
    ['whole sink: events per CPU second', summary.eventsPerCpuSecond],
    ['ingest: events for each request of the bare server, per CPU second', summary.ratioIngest, atLeast(goals?.ingest)],
    [
      'whole sink: events for each request of the bare server, per CPU second',
      summary.ratioWhole,
      atLeast(goals?.whole),
    ],
    ['ingest: CPU µs an event', cpuMicrosPerEvent.ingest],
    ['batcher: CPU µs an event', cpuMicrosPerEvent.batcher],
    ['uploader: CPU µs an event', cpuMicrosPerEvent.uploader],
    ['Redis: CPU µs an event', cpuMicrosPerEvent.redis],
    ['S3 stand-in, not counted in: CPU µs an event', cpuMicrosPerEvent.s3],
    ['ingest: most RSS, MB', rssPeakBytes.ingest / 1e6, RSS_MB],
    ['batcher: most RSS, MB', rssPeakBytes.batcher / 1e6, RSS_MB],
    ['uploader: most RSS, MB', rssPeakBytes.uploader / 1e6, RSS_MB],
    ['Redis: most RSS, MB', rssPeakBytes.redis / 1e6],
    ['seconds from the last 202 to the last object', summary.drainSeconds],
  ];
  const figures = rows.map(([row, value, goal]) => ({ row, column, value, ...(goal && { goal }) }));
  return [{ title: 'throughput', figures }];
}

function atLeast(value: number | undefined): Goal | undefined {
  return value === undefined ? undefined : { atLeast: value };
}

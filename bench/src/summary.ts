import { SERVICES, type ServiceName } from './processes.ts';
import type { ScenarioResult } from './scenario-run.ts';

/** No service may ever hold more memory. Redis is none of ours: its memory is the backlog's. */
const RSS_BYTES_MAX = 256 * 1024 * 1024;

/** Medians over the runs of a scenario; of memory the most. */
export interface ScenarioSummary {
  readonly bareRequestsPerSecond: number;
  readonly bareRequestsPerCpuSecond: number;
  readonly eventsPerSecond: number;
  readonly eventsPerCpuSecond: number;
  readonly ingestEventsPerCpuSecond: number;
  /** CPU microseconds an event, by process; of the S3 stand-in too, which is in no other figure. */
  readonly cpuMicrosPerEvent: Readonly<Record<ServiceName | 'redis' | 's3', number>>;
  /** Events per CPU second for each request per CPU second of the bare server beside: the figure that travels. */
  readonly ratioWhole: number;
  readonly ratioIngest: number;
  readonly rssPeakBytes: Readonly<Record<ServiceName | 'redis', number>>;
  readonly drainSeconds: number;
}

export function summarise({ runs }: ScenarioResult): ScenarioSummary {
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

/** One line for each service that held more memory than it may. */
export function memoryProblems({ rssPeakBytes }: ScenarioSummary): string[] {
  return SERVICES.filter((name) => rssPeakBytes[name] >= RSS_BYTES_MAX).map(
    (name) => `${name} held ${Math.round(rssPeakBytes[name] / 2 ** 20)} MiB, ${RSS_BYTES_MAX / 2 ** 20} are allowed`,
  );
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new Error('taking a median: there are no values');
  return (lower + upper) / 2;
}

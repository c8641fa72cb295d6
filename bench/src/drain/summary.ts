import type { Figure, Goal, Table } from '../report/figure.ts';
import { growthFigures } from '../report/growth.ts';
import { median } from '../report/statistics.ts';
import type { DrainCase, DrainRun } from './drain-run.ts';
import type { CodecReference, RedisReference } from './references.ts';

const BATCHER_EVENTS_PER_SECOND: Goal = { atLeast: 500_000 };
const RSS_MB: Goal = { atMost: 200 };
const UPLOADER_MEGABYTES_PER_CPU_SECOND: Goal = { atLeast: 100 };

export interface DrainResult extends DrainCase {
  readonly codec: string;
  readonly runs: readonly DrainRun[];
  readonly rssPeakBytes: { readonly batcher: number; readonly uploader: number };
}

/** The figures of all cases, and how the cost of an event changes with the backlog. */
export function drainTable(results: readonly DrainResult[]): Table {
  const alike = results.filter(
    ({ codec, eventsPerChunk }) => codec === results[0]?.codec && eventsPerChunk === results[0].eventsPerChunk,
  );
  return { title: 'drain', figures: [...results.flatMap(drainFigures), ...backlogGrowth(alike)] };
}

function backlogGrowth(results: readonly DrainResult[]): Figure[] {
  const points = results.map((result) => ({ column: columnOf(result), cost: microsPerEvent(result) }));
  const [smallest] = points;
  if (smallest === undefined) return [];
  return growthFigures('batcher and uploader: CPU an event, to the first', points, smallest.column, ({ cost }) => cost);
}

function microsPerEvent({ runs }: DrainResult): number {
  return median(runs.map((run) => ((run.batcherCpuSeconds + run.uploaderCpuSeconds) / run.events) * 1e6));
}

function columnOf({ codec, title }: DrainResult): string {
  return `${codec}: ${title}`;
}

/** One column: the medians over the runs of a case. */
export function drainFigures(result: DrainResult): Figure[] {
  const { runs, rssPeakBytes } = result;
  const column = columnOf(result);
  const of = (row: string, figure: (run: DrainRun) => number | null, goal?: Goal): Figure[] => {
    const values = runs.map(figure).filter((value) => value !== null);
    return values.length === 0 ? [] : [{ row, column, value: median(values), ...(goal === undefined ? {} : { goal }) }];
  };
  const micros = (cpuSeconds: number, run: DrainRun): number => (cpuSeconds / run.events) * 1e6;
  const megabytes = (run: DrainRun, seconds: number): number => run.contentBytes / 1e6 / seconds;
  const perSecond = (events: number, seconds: number | null): number | null =>
    seconds === null ? null : events / seconds;
  return [
    ...of('append, by the shipped steps: events/s', (run) => perSecond(run.events, run.appendSeconds)),
    ...of('batcher: events/s', (run) => perSecond(run.events, run.batcherSeconds), BATCHER_EVENTS_PER_SECOND),
    ...of('batcher: CPU µs an event', (run) => micros(run.batcherCpuSeconds, run)),
    ...of('batcher: MB of content per CPU second', (run) => megabytes(run, run.batcherCpuSeconds)),
    ...of('Redis, meanwhile: CPU µs an event', (run) => micros(run.redisCpuSeconds, run)),
    ...of('uploader: MB of content/s', (run) => megabytes(run, run.uploaderSeconds)),
    ...of('uploader: CPU µs an event', (run) => micros(run.uploaderCpuSeconds, run)),
    ...of(
      'uploader: MB of content per CPU second',
      (run) => megabytes(run, run.uploaderCpuSeconds),
      UPLOADER_MEGABYTES_PER_CPU_SECOND,
    ),
    ...of('batcher and uploader: MB of content per CPU second', (run) =>
      megabytes(run, run.batcherCpuSeconds + run.uploaderCpuSeconds),
    ),
    ...of('objects: smaller by', (run) => run.contentBytes / run.objectBytes),
    { row: 'batcher: most RSS so far, MB', column, value: rssPeakBytes.batcher / 1e6, goal: RSS_MB },
    { row: 'uploader: most RSS so far, MB', column, value: rssPeakBytes.uploader / 1e6, goal: RSS_MB },
  ];
}

export function referenceTables(redis: RedisReference, codecs: readonly CodecReference[]): Table[] {
  const [add, read] = ['XADD, pipelined', 'XREADGROUP'];
  return [
    {
      title: 'drain, reference: Redis alone, the same chunks',
      figures: [
        { row: 'events/s', column: add, value: redis.addEventsPerSecond },
        { row: 'events/s', column: read, value: redis.readEventsPerSecond },
        { row: 'Redis: CPU µs an event', column: add, value: redis.addCpuMicrosPerEvent },
        { row: 'Redis: CPU µs an event', column: read, value: redis.readCpuMicrosPerEvent },
      ],
    },
    {
      title: 'drain, reference: codecs and hash alone, one thread',
      figures: codecs.flatMap(({ codec: column, megabytesPerSecond, times }) => [
        { row: 'MB of content per CPU second', column, value: megabytesPerSecond },
        ...(times === null ? [] : [{ row: 'smaller by', column, value: times }]),
      ]),
    },
  ];
}

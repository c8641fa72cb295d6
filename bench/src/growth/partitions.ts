import { EVENTS_PER_CHUNK, eventLines, preparedChunks } from '../drain/chunks.ts';
import { type DrainRun, drainRun } from '../drain/drain-run.ts';
import type { Figure, Table } from '../report/figure.ts';
import { growthFigures } from '../report/growth.ts';
import type { BenchContext } from '../scenario.ts';
import { LaneAccess, type PreparedChunk, STANDSTILL } from '../sink/lane-access.ts';

/** The default of `max_open_files`. */
const OPEN_FILES_DEFAULT = 64;
/** Cases with a file for each partition, then cases with the files that the batcher keeps open by default. */
const CASES: readonly { readonly partitions: number; readonly openFilesMax: number | null }[] = [
  { partitions: 1, openFilesMax: 1_000 },
  { partitions: 100, openFilesMax: 1_000 },
  { partitions: 1_000, openFilesMax: 1_000 },
  { partitions: 64, openFilesMax: null },
  { partitions: 100, openFilesMax: null },
];
/** Each case has about as many objects. All are full as long as there are enough files for all partitions. */
const EVENTS = 200_000;
const EVENTS_PER_OBJECT = 200;
/** Only the files that are left at the end are closed by their interval. */
const SETTINGS = { ...STANDSTILL, SINK_FLUSH_SIZE: String(EVENTS_PER_OBJECT), SINK_SCHEDULED_INTERVAL: '20s' };
/** Where files are closed to make room, the last ones are not full: the run then includes an idle sink that waits. */
const EVICTING_SETTINGS = { ...SETTINGS, SINK_SCHEDULED_INTERVAL: '2s' };
const ONE_BACKLOG = { backlogs: 1, batcherPaused: true };
/** Far in the future, so that no hour ends meanwhile. */
const FIRST_HOUR_MS = Date.UTC(2100, 0, 1);
const HOUR_MS = 3_600_000;

export interface PartitionPoint {
  readonly column: string;
  readonly run: DrainRun;
  /** There are more partitions than files. */
  readonly evicting: boolean;
  readonly batcherRssPeakBytes: number;
}

/** A backlog whose chunks belong to all partitions by turns. */
export async function partitionCounts(
  context: BenchContext,
): Promise<{ table: Table; points: readonly PartitionPoint[] }> {
  const chunks = preparedChunks(eventLines());
  const points: PartitionPoint[] = [];
  for (const { partitions, openFilesMax } of CASES) {
    const column = `${partitions}, ${openFilesMax ?? 'default'} open`;
    const evicting = partitions > (openFilesMax ?? OPEN_FILES_DEFAULT);
    const sink = await context.startSink(`growth partitions ${column}`, {
      settings: {
        ...(evicting ? EVICTING_SETTINGS : SETTINGS),
        ...(openFilesMax === null ? {} : { SINK_MAX_OPEN_FILES: String(openFilesMax) }),
      },
    });
    const lane = await LaneAccess.connect(sink.redisUrl);
    try {
      const prepared = spread(chunks, partitions);
      const backlogEvents = prepared.length * EVENTS_PER_CHUNK;
      const what = { title: column, backlogEvents, eventsPerChunk: EVENTS_PER_CHUNK, ...ONE_BACKLOG };
      const run = await drainRun(sink, lane, what, prepared);
      points.push({ column, run, evicting, batcherRssPeakBytes: sink.usage().batcher.rssPeakBytes });
      context.say(`growth, partitions, ${column}: batcher ${batcherMicros(run).toFixed(2)} µs an event`);
    } catch (cause) {
      throw new Error(`measuring growth by partitions: ${String(cause)}\n${sink.logs()}`, { cause });
    } finally {
      lane.close();
      await sink.stop();
    }
  }
  return { table: { title: 'growth: open partitions', figures: figuresOf(points) }, points };
}

/** All chunks of a backlog, each in the partition after that of the chunk before. */
function spread(chunks: readonly PreparedChunk[], partitions: number): PreparedChunk[] {
  const perPartition = Math.ceil(EVENTS / EVENTS_PER_OBJECT / partitions) * (EVENTS_PER_OBJECT / EVENTS_PER_CHUNK);
  return Array.from({ length: partitions * perPartition }, (_, index) => {
    const chunk = chunks[index % chunks.length];
    if (chunk === undefined) throw new Error('spreading chunks: there are none');
    return { ...chunk, partition: partition(index % partitions) };
  });
}

function partition(index: number): string {
  const [date = '', time = ''] = new Date(FIRST_HOUR_MS + index * HOUR_MS).toISOString().split('T');
  return `${date.replaceAll('-', '/')}/${time.slice(0, 2)}`;
}

function batcherMicros(run: DrainRun): number {
  return (run.batcherCpuSeconds / run.events) * 1e6;
}

function figuresOf(points: readonly PartitionPoint[]): Figure[] {
  const of = (row: string, value: (point: PartitionPoint) => number): Figure[] =>
    points.map((point) => ({ row, column: point.column, value: value(point) }));
  const micros = ({ run }: PartitionPoint): number =>
    ((run.batcherCpuSeconds + run.uploaderCpuSeconds + run.redisCpuSeconds) / run.events) * 1e6;
  const [reference] = points;
  return [
    ...of('objects', ({ run }) => run.objects),
    // Files that are closed to make room are not full, and the last of them wait for their interval.
    ...of('batcher: events/s', ({ run }) => run.events / (run.batcherSeconds ?? NaN)).filter(
      (_, index) => points[index]?.evicting === false,
    ),
    ...of('batcher: CPU µs an event', ({ run }) => batcherMicros(run)),
    ...of('uploader: CPU µs an event', ({ run }) => (run.uploaderCpuSeconds / run.events) * 1e6),
    ...of('Redis, while the batcher drains: CPU µs an event', ({ run }) => (run.redisCpuSeconds / run.events) * 1e6),
    ...of('batcher: most RSS, MB', ({ batcherRssPeakBytes }) => batcherRssPeakBytes / 1e6),
    ...(reference ? growthFigures('CPU an event, to that of 1', points, reference.column, micros) : []),
  ];
}

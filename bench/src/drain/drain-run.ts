import type { LaneAccess, PreparedChunk } from '../sink/lane-access.ts';
import type { SinkProcesses } from '../sink/processes.ts';
import type { ServiceName } from '../sink/service.ts';
import { countStored } from '../sink/stored.ts';
import { inTurn } from './chunks.ts';

const STEP_MAX_MS = 180_000;

export interface DrainCase {
  readonly title: string;
  /** The events in Redis when the batcher begins. */
  readonly backlogEvents: number;
  readonly eventsPerChunk: number;
  /** So many backlogs follow each other, so that small ones can be measured. Together they must fill whole objects. */
  readonly backlogs: number;
  /**
   * Whether the batcher is paused until a backlog is filled. If not, it keeps up, and Redis never holds more than one.
   */
  readonly batcherPaused: boolean;
}

export interface DrainRun {
  readonly events: number;
  readonly contentBytes: number;
  readonly objects: number;
  readonly objectBytes: number;
  /** The time of the appends while the batcher is paused; null where it is not paused. */
  readonly appendSeconds: number | null;
  /** From the delivery of the first chunk until everything is sealed, with the uploader paused; null as above. */
  readonly batcherSeconds: number | null;
  readonly batcherCpuSeconds: number;
  /** While the batcher drains. */
  readonly redisCpuSeconds: number;
  /** From the uploader's first job until the last commit. */
  readonly uploaderSeconds: number;
  readonly uploaderCpuSeconds: number;
}

/**
 * Fills a backlog while batcher and uploader are paused. Then the batcher seals it, and then the uploader uploads it,
 * so that each has the machine for itself. The lane is empty at the end.
 *
 * @throws when the objects contain another number of events
 */
export async function drainRun(
  sink: SinkProcesses,
  lane: LaneAccess,
  what: DrainCase,
  chunks: readonly PreparedChunk[],
): Promise<DrainRun> {
  await sink.s3.control.clear();
  const cpu = (name: ServiceName | 'redis'): number => sink.usage()[name].cpuSeconds;
  const batched = await sink.whilePaused(['uploader'], () =>
    what.batcherPaused ? fullBacklogs(sink, lane, what, chunks, cpu) : backlogsKeptUpWith(lane, what, chunks, cpu),
  );

  const [uploaderBefore, startMs] = [cpu('uploader'), performance.now()];
  await lane.committed(STEP_MAX_MS);
  const [uploaderSeconds, uploaderCpuSeconds] = [secondsSince(startMs), cpu('uploader') - uploaderBefore];

  const stored = await countStored(sink.s3.control);
  const events = what.backlogEvents * what.backlogs;
  if (stored.events !== events) throw new Error(`checking the bucket: ${stored.events} of ${events} events are stored`);
  const { contentBytes, objects, objectBytes } = stored;
  return { ...batched, events, contentBytes, objects, objectBytes, uploaderSeconds, uploaderCpuSeconds };
}

type Batched = Pick<DrainRun, 'appendSeconds' | 'batcherSeconds' | 'batcherCpuSeconds' | 'redisCpuSeconds'>;
type CpuOf = (name: ServiceName | 'redis') => number;

/** Fills each backlog when the one before is sealed, and sums up the measurements. */
async function fullBacklogs(
  sink: SinkProcesses,
  lane: LaneAccess,
  what: DrainCase,
  chunks: readonly PreparedChunk[],
  cpu: CpuOf,
): Promise<Batched> {
  const sum = { appendSeconds: 0, batcherSeconds: 0, batcherCpuSeconds: 0, redisCpuSeconds: 0 };
  for (let backlog = 0; backlog < what.backlogs; backlog++) {
    const one = await fullBacklog(sink, lane, what, chunks, cpu);
    sum.appendSeconds += one.appendSeconds;
    sum.batcherSeconds += one.batcherSeconds;
    sum.batcherCpuSeconds += one.batcherCpuSeconds;
    sum.redisCpuSeconds += one.redisCpuSeconds;
  }
  return sum;
}

async function fullBacklog(
  sink: SinkProcesses,
  lane: LaneAccess,
  { backlogEvents, eventsPerChunk }: DrainCase,
  chunks: readonly PreparedChunk[],
  cpu: CpuOf,
): Promise<{ [Figure in keyof Batched]: number }> {
  const filled = await sink.whilePaused(['batcher'], async () => {
    const backlog = await lane.fillWhilePaused(backlogEvents / eventsPerChunk, inTurn(chunks), STEP_MAX_MS);
    return { ...backlog, batcher: cpu('batcher'), redis: cpu('redis') };
  });
  // The batcher opens its connection again before it continues.
  await lane.deliveryBegan(filled.delivered, STEP_MAX_MS);
  const deliveredMs = performance.now();
  await lane.sealed(STEP_MAX_MS);
  return {
    appendSeconds: filled.appendSeconds,
    batcherSeconds: secondsSince(deliveredMs),
    batcherCpuSeconds: cpu('batcher') - filled.batcher,
    redisCpuSeconds: cpu('redis') - filled.redis,
  };
}

/** Fills each backlog when the batcher has read the one before. */
async function backlogsKeptUpWith(
  lane: LaneAccess,
  { backlogEvents, eventsPerChunk, backlogs }: DrainCase,
  chunks: readonly PreparedChunk[],
  cpu: CpuOf,
): Promise<Batched> {
  const [batcher, redis] = [cpu('batcher'), cpu('redis')];
  const next = inTurn(chunks);
  const size = backlogEvents / eventsPerChunk;
  for (let backlog = 0; backlog < backlogs; backlog++) {
    await lane.append(size, (index) => next(backlog * size + index));
    await lane.delivered(STEP_MAX_MS);
  }
  await lane.sealed(STEP_MAX_MS);
  return {
    appendSeconds: null,
    batcherSeconds: null,
    batcherCpuSeconds: cpu('batcher') - batcher,
    // Includes the appends, unlike the figure of a backlog that was filled before.
    redisCpuSeconds: cpu('redis') - redis,
  };
}

function secondsSince(startMs: number): number {
  return (performance.now() - startMs) / 1000;
}

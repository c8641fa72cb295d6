import type { LaneAccess, PreparedChunk } from '../sink/lane-access.ts';
import type { SinkProcesses } from '../sink/processes.ts';
import type { ServiceName } from '../sink/service.ts';
import { countStored } from '../sink/stored.ts';
import { inTurn } from './chunks.ts';

const STEP_MAX_MS = 180_000;

export interface DrainCase {
  readonly title: string;
  /** Events that stand in Redis when the batcher begins. */
  readonly backlogEvents: number;
  readonly eventsPerChunk: number;
  /** Backlogs one after the other, so that a small one is measurable. Together they have to fill whole objects. */
  readonly backlogs: number;
}

export interface DrainRun {
  readonly events: number;
  readonly contentBytes: number;
  readonly objects: number;
  readonly objectBytes: number;
  /** Of the appends, which go on while the batcher stands still; null for backlogs one after the other. */
  readonly appendSeconds: number | null;
  /** From the first chunk's delivery until all is sealed, at a standstill of the uploader; null as above. */
  readonly batcherSeconds: number | null;
  readonly batcherCpuSeconds: number;
  /** While the batcher drains. */
  readonly redisCpuSeconds: number;
  /** From its first job until the last commit. */
  readonly uploaderSeconds: number;
  readonly uploaderCpuSeconds: number;
}

/**
 * Fills a backlog while batcher and uploader stand still, lets the batcher seal it, then the uploader upload it: each has
 * the machine for itself. Ends with an empty lane.
 *
 * @throws when the objects hold other than as many events
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
    what.backlogs === 1 ? oneBacklog(sink, lane, what, chunks, cpu) : backlogsInTurn(lane, what, chunks, cpu),
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

async function oneBacklog(
  sink: SinkProcesses,
  lane: LaneAccess,
  { backlogEvents, eventsPerChunk }: DrainCase,
  chunks: readonly PreparedChunk[],
  cpu: CpuOf,
): Promise<Batched> {
  const filled = await sink.whilePaused(['batcher'], async () => {
    const backlog = await lane.fillWhilePaused(backlogEvents / eventsPerChunk, inTurn(chunks), STEP_MAX_MS);
    return { ...backlog, batcher: cpu('batcher'), redis: cpu('redis') };
  });
  // Its connection is made anew before it goes on.
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

/** Each is filled when the one before was taken: the batcher keeps up, and there is never more in Redis than one. */
async function backlogsInTurn(
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
    // The appends are in it, which are not in the figure of one large backlog.
    redisCpuSeconds: cpu('redis') - redis,
  };
}

function secondsSince(startMs: number): number {
  return (performance.now() - startMs) / 1000;
}

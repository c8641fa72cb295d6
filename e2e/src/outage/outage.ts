import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { laneKeys } from '@sink/lane';
import { eventually } from '@sink/testing';
import { Redis } from 'ioredis';
import { rssPeakBytes } from '../harness/memory.ts';
import { judge, type Verdict } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers, tryOf } from '../harness/producer.ts';

export interface OutageOptions {
  readonly backlogBytes: number;
  readonly spoolBytes: number;
  /** How long S3 stays unavailable after the first refused event. */
  readonly refuseMs: number;
  readonly producers: number;
  /** The length of the text in each event. */
  readonly textBytes: number;
  /**
   * A further disturbance in each phase: while Redis holds, while it spills, while ingest refuses, and in the drain.
   */
  readonly disturb?: (sink: Pipeline) => Promise<void>;
  /** The delay of each PUT from the return of S3 until the spilled events are in it, so that the drain has a middle. */
  readonly drainDelayMs?: number;
}

export interface OutageResult extends Verdict {
  readonly acknowledged: number;
  /** Events acknowledged until Redis and the spool were full. */
  readonly takenWhileAway: number;
  readonly refused: number;
  /** What the batcher reports when both are full. */
  readonly batcher: { readonly metrics: string; readonly readyz: string };
  readonly mostBacklogBytes: number;
  readonly mostSpoolBytes: number;
  /** The segments that only the spool has: after the disturbance while Redis held, and after that in the drain. */
  readonly spilledWhileHeld: number;
  readonly spilledInDrain: number;
  /** Events accepted after the return of S3 that were in it before all those spilled until then. */
  readonly newStoredInDrain: number;
  /** From the return of S3 until new events are accepted, and until the spilled events are in it, under load. */
  readonly takenAgainSeconds: number;
  readonly backlogSeconds: number;
  readonly rssPeakBytes: Readonly<Record<string, number>>;
}

const MIB = 1024 * 1024;
const PHASE_MAX_MS = 180_000;
/** Events sent one after the other; Redis holds all of them without spilling. */
const HELD_EVENTS = 30;
const AWAY = {
  match: { operation: 'PutObject' },
  effect: { kind: 'error', status: 503, code: 'ServiceUnavailable' },
} as const;

/**
 * S3 becomes unavailable under load. Redis holds the events, then the spool, then ingest refuses them. S3 comes back,
 * and every acknowledged event must be in it once. No file is due in that time, so that events leave Redis only for
 * want of memory.
 */
export async function outage(options: OutageOptions): Promise<OutageResult> {
  const { disturb = async () => undefined } = options;
  const sink = await Pipeline.start({
    settings: {
      SINK_MAX_BACKLOG_BYTES: `${options.backlogBytes / MIB}MiB`,
      SINK_MAX_SPOOL_BYTES: `${options.spoolBytes / MIB}MiB`,
      SINK_DISK_RESERVE_BYTES: '0',
      SINK_RECEIPTS_MAX: '10000',
      SINK_FLUSH_SIZE: '100000',
      SINK_SCHEDULED_INTERVAL: '3600',
      SINK_LOG_LEVEL: 'warn',
    },
  });
  const redis = new Redis(sink.redis.url, { maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  const ended = new AbortController();
  try {
    const keys = laneKeys(sink.sinkName, 0);
    const most = { backlog: 0, spool: 0 };
    const memory: Record<string, number> = {};
    const watching = (async () => {
      while (!ended.signal.aborted) {
        most.backlog = Math.max(most.backlog, Number((await redis.hget(keys.backlog, 'bytes')) ?? 0));
        most.spool = Math.max(most.spool, spoolBytes(sink));
        for (const { name, process } of sink.services)
          memory[name] = Math.max(memory[name] ?? 0, rssPeakBytes(process));
        await sleep(50);
      }
    })();
    watching.catch(() => undefined); // It is thrown at the end.
    const away = await sink.s3.control.addFault(AWAY);
    const producers = new Producers(() => sink.of('ingest'), 0, { textBytes: options.textBytes });
    const refused = (): number => producers.statuses.get(503) ?? 0;
    const within = (condition: () => boolean | Promise<boolean>): Promise<unknown> =>
      eventually(condition, { timeoutMs: PHASE_MAX_MS, intervalMs: 50 });

    await Promise.all([hold(sink, producers), disturb(sink)]);
    const spilledWhileHeld = await redis.hlen(keys.spilled);
    producers.start(options.producers);
    await within(async () => (await redis.hlen(keys.spilled)) > 2);
    await disturb(sink);
    const ofBatcher = (): ReturnType<typeof reportOf> => reportOf(sink.of('batcher')[0]?.opsUrl ?? '');
    await within(async () => (await ofBatcher()).readyz.includes('max_spool_bytes'));
    // Each producer may still get one refusal because of the kills.
    const refusedUntilFull = refused();
    await within(() => refused() > refusedUntilFull + options.producers);
    const takenWhileAway = producers.acknowledgedTries;
    const batcher = await ofBatcher();
    await disturb(sink);
    const refusedBefore = refused();
    await sleep(options.refuseMs);
    await within(() => refused() > refusedBefore);

    const backlog = new Set(await redis.hkeys(keys.spilled));
    const leftOfBacklog = async (): Promise<number> =>
      (await redis.hkeys(keys.spilled)).filter((id) => backlog.has(id)).length;
    const slow = await sink.s3.control.addFault({
      match: { operation: 'PutObject' },
      effect: { kind: 'slow', delayMs: options.drainDelayMs ?? 0 },
    });
    await sink.s3.control.removeFault(away);
    const [backMs, backAtMs] = [performance.now(), Date.now()];
    const takenBefore = producers.acknowledgedTries;
    const sinceBack = (): number => (performance.now() - backMs) / 1_000;
    const takenAgain = within(() => producers.acknowledgedTries > takenBefore + options.producers).then(sinceBack);
    await within(async () => (await leftOfBacklog()) < backlog.size);
    await disturb(sink);
    const spilledInDrain = await leftOfBacklog();
    await within(async () => (await leftOfBacklog()) === 0);
    const backlogSeconds = sinceBack();
    const newStoredInDrain = storedSince(await sink.objects(), producers, backAtMs);
    const takenAgainSeconds = await takenAgain;
    await sink.s3.control.removeFault(slow);
    await producers.stop();
    ended.abort();
    await watching;
    await sink.stopServices();
    await sink.drained();
    return {
      ...(await judge(sink, producers)),
      acknowledged: producers.acknowledgedTries,
      takenWhileAway,
      refused: refused(),
      batcher,
      mostBacklogBytes: most.backlog,
      mostSpoolBytes: most.spool,
      takenAgainSeconds,
      backlogSeconds,
      spilledWhileHeld,
      spilledInDrain,
      newStoredInDrain,
      rssPeakBytes: memory,
    };
  } finally {
    ended.abort();
    redis.disconnect();
    await sink.stop();
  }
}

/** While S3 is unavailable and Redis holds all events, ingest still accepts events. */
async function hold(sink: Pipeline, producers: Producers): Promise<void> {
  const [ingest] = sink.of('ingest');
  for (let sent = 0; ingest !== undefined && sent < HELD_EVENTS; sent++) {
    if (!(await producers.acknowledgedBy(ingest, PHASE_MAX_MS))) throw new Error('holding: no event is accepted');
  }
}

/** The number of events acknowledged since then that are in these objects. */
function storedSince(objects: ReadonlyMap<string, readonly string[]>, { tries }: Producers, sinceMs: number): number {
  const lines = [...objects.values()].flat();
  const stored = lines.map((line) => tries.get(tryOf(JSON.parse(line) as Record<string, unknown>))?.acknowledged);
  return stored.filter((acknowledged) => (acknowledged?.at.getTime() ?? 0) > sinceMs).length;
}

async function reportOf(opsUrl: string): Promise<OutageResult['batcher']> {
  const [metrics = '', readyz = ''] = await Promise.all(
    ['metrics', 'readyz'].map(async (path) => (await fetch(`${opsUrl}/${path}`)).text()),
  );
  return { metrics, readyz };
}

/** Files and folders appear and disappear meanwhile. One that is gone counts as 0. */
function spoolBytes({ dataDir }: Pipeline): number {
  const spool = join(dataDir, 'spool');
  return entriesOf(spool)
    .flatMap((entry) => (entry.isDirectory() ? entriesOf(join(spool, entry.name)) : [entry]))
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + sizeOf(join(parentPath, name)), 0);
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

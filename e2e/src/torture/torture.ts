import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { judge, type Verdict } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';
import { leftovers } from './leftovers.ts';
import { type PlannedFault, planFaults, REPLICAS } from './plan.ts';
import { TinyDisk } from '../harness/tiny-disk.ts';
import { Victims } from './victims.ts';

export interface TortureResult extends Verdict {
  readonly seed: number;
  readonly plan: readonly PlannedFault[];
  readonly dedupe: boolean;
  /** The number of processes that accept events in each ingest. */
  readonly ingestWorkers: number;
  readonly seconds: number;
  /** False where no file system can be mounted: then no disk was full. */
  readonly disk: boolean;
  /** The number of faults that struck, by kind. */
  readonly struck: Readonly<Record<string, number>>;
  /** The answers to the producers, by status. `none`: the connection was cut, or there was no answer in 5 s. */
  readonly answers: Readonly<Record<string, number>>;
  /** The number of attempts: each sends one event of a message once. */
  readonly tries: number;
  readonly acknowledged: number;
  readonly objects: number;
  /** The time from the end of the faults until the last acknowledged event is in S3, including the load. */
  readonly recoverySeconds: number;
  /** What did not recover: an ingest that acknowledges nothing, a backlog that does not drain. */
  readonly stuck: readonly string[];
  /** What is left in Redis and the spool after the sink was stopped in order. */
  readonly leftovers: readonly string[];
  /** Services that exited although no fault stopped them. */
  readonly died: readonly string[];
  readonly rssPeakBytes: Readonly<Record<string, number>>;
}

const PRODUCERS = 64;
/** The load continues for this time after the faults. */
const AFTER_MS = 3_000;
/** Each ingest must acknowledge an event within this time then, which includes its restart and Redis' backlog. */
const ACKNOWLEDGED_MAX_MS = 60_000;
const RECOVERY_MAX_MS = 180_000;
const DISK_MEGABYTES = 64;
const SETTINGS = {
  SINK_FLUSH_SIZE: '200',
  SINK_MAX_BACKLOG_BYTES: '2MiB',
  SINK_UPLOAD_TIMEOUT: '3s',
  SINK_STOP_GRACE: '10s',
  SINK_LOG_LEVEL: 'warn',
  // A tenth of the events is not valid.
  SINK_ON_INVALID: 'quarantine',
  SINK_QUARANTINE_MAX_PER_SECOND: '10000',
};

const DEDUPE = { SINK_DEDUPE_WINDOW: '1h', SINK_MAX_FINGERPRINTS: '300000', SINK_RECEIPTS_MAX: '10000' };

/**
 * Runs real processes under load, with the faults of the seed for some time. When the faults end, the sink must recover
 * by itself, and every acknowledged event must be in exactly one object.
 *
 * @param dedupe with `dedupe_window`: then a retry does not make a second event, however the first attempt ended
 */
export async function torture(
  seed: number,
  seconds: number,
  { dedupe = false }: { readonly dedupe?: boolean } = {},
): Promise<TortureResult> {
  const disk = TinyDisk.mount(DISK_MEGABYTES);
  try {
    return await tortureOn(disk, { seed, seconds, dedupe });
  } finally {
    disk?.unmount();
  }
}

async function tortureOn(
  disk: TinyDisk | null,
  { seed, seconds, dedupe }: { readonly seed: number; readonly seconds: number; readonly dedupe: boolean },
): Promise<TortureResult> {
  const clocks = temporaryDirectory('clocks');
  const shift = new URL('./clock-shift.mjs', import.meta.url).href;
  const ingestWorkers = ingestWorkersOf(seed);
  const replicas = { ingests: REPLICAS, batchers: REPLICAS, uploaders: REPLICAS };
  const sink = await Pipeline.start({
    ...replicas,
    ...(disk === null ? {} : { dataDir: disk.directory }),
    proxied: true,
    settings: { ...SETTINGS, ...(dedupe ? DEDUPE : {}), SINK_INGEST_WORKERS: String(ingestWorkers) },
    environmentOf: (name) => ({ TORTURE_CLOCK: `${clocks}/${name}`, NODE_OPTIONS: `--import ${shift}` }),
  });
  try {
    const victims = new Victims(sink, disk, clocks);
    const producers = new Producers(() => sink.of('ingest'), PRODUCERS, { bad: true });
    const startMs = performance.now();
    const plan = planFaults(seed, seconds * 1_000);
    const strikes = plan.map(async ({ atMs, forMs, fault }) => {
      await sleep(atMs);
      await victims.strike(fault, forMs);
    });
    await Promise.all(strikes);
    const elapsedSeconds = (performance.now() - startMs) / 1_000;
    const healedMs = performance.now();
    const stuck = await refusing(sink, producers);
    await sleep(Math.max(0, healedMs + AFTER_MS - performance.now()));
    await producers.stop();
    stuck.push(...(await undrained(() => sink.drained(RECOVERY_MAX_MS))));
    const recoverySeconds = (performance.now() - healedMs) / 1_000;
    if (stuck.length === 0) stuck.push(...(await undrained(() => jobsDone(sink))));
    if (stuck.length > 0) stuck.push(...logs(sink));
    victims.end();
    await sink.stopServices();
    return {
      ...(await judge(sink, producers, dedupe ? ({ id }) => String(id) : undefined)),
      seed,
      plan,
      dedupe,
      ingestWorkers,
      disk: disk !== null,
      seconds: elapsedSeconds,
      struck: Object.fromEntries(victims.struck),
      answers: Object.fromEntries([...producers.statuses].map(([status, count]) => [String(status), count])),
      tries: producers.tries.size,
      acknowledged: producers.acknowledgedTries,
      objects: (await sink.s3.control.keys()).length,
      recoverySeconds,
      stuck,
      leftovers: await leftovers(sink),
      died: victims.died,
      rssPeakBytes: Object.fromEntries(victims.rssPeakBytes),
    };
  } finally {
    await sink.stop();
  }
}

/**
 * Another uploader takes over the job of a killed uploader after half a minute, even if another job has stored the
 * spilled segment meanwhile. A stop does not wait for that.
 */
async function jobsDone(sink: Pipeline): Promise<void> {
  const redis = new Redis(sink.redis.url);
  try {
    const active = async (): Promise<number> => {
      const lists = await redis.keys('{*:uploads}:*:active');
      return (await Promise.all(lists.map((list) => redis.llen(list)))).reduce((sum, length) => sum + length, 0);
    };
    await eventually(async () => (await active()) === 0, { timeoutMs: RECOVERY_MAX_MS, intervalMs: 100 });
  } finally {
    redis.disconnect();
  }
}

/** One with an even seed, two with an odd seed; one where the system does not spread connections over workers. */
function ingestWorkersOf(seed: number): number {
  return process.platform === 'linux' ? 1 + (Math.floor(seed) % 2) : 1;
}

/** The ingests that acknowledge nothing any more. The oracle checks what the others acknowledge. */
async function refusing(sink: Pipeline, producers: Producers): Promise<string[]> {
  const ingests = sink.of('ingest');
  const acknowledged = await Promise.all(ingests.map((one) => producers.acknowledgedBy(one, ACKNOWLEDGED_MAX_MS)));
  return ingests
    .filter((_, index) => acknowledged[index] !== true)
    .map(({ name }) => `${name} acknowledged nothing in ${ACKNOWLEDGED_MAX_MS / 1_000} s after the faults`);
}

async function undrained(done: () => Promise<void>): Promise<string[]> {
  try {
    await done();
    return [];
  } catch (error) {
    return [`the sink did not come back in ${RECOVERY_MAX_MS / 1_000} s: ${String(error)}`];
  }
}

function logs(sink: Pipeline): string[] {
  return sink.services.map(({ name, process }) => `log of ${name}:\n${process.output().slice(-3_000)}`);
}

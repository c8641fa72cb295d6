import { createHash } from 'node:crypto';
import { isRetryable } from '@sink/domain';
import { composeIngest, FIXED_SETTINGS, type Ingest as ShippedIngest } from '@sink/ingest';
import { type DurabilityBarrier, FINGERPRINT_BYTES, type RedisPort, spoolLease, UploaderLane } from '@sink/lane';
import { Registry } from '@sink/runtime';
import { SpoolError } from '@sink/spool';
import { type ObjectBuilderPort, SpoolFiles, uploadSegment, uploadSpilled } from '@sink/uploader';
import type { Jobs } from './jobs.ts';
import type { ModelDisk } from './model-disk.ts';
import { type Bucket, scheduledRedis } from './ports.ts';
import type { Random } from '../random.ts';
import type { Actor, Scheduler } from './scheduler.ts';

/** What all actors of a world share. */
export interface WorldParts {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly redis: RedisPort;
  readonly sinkName: string;
  readonly bucket: Bucket;
  readonly jobs: Jobs;
  readonly disks: readonly ModelDisk[];
  /** Writers that have not appended for this long are retired. */
  readonly writerIdleMsMax: number;
  readonly flushSize: number;
  /** The backlog from which on segments are spilled; null: they are not. */
  readonly spillAtBytes: number | null;
  /** Producers send again what was not acknowledged, and it must not be stored twice. */
  readonly dedupe: boolean;
  /** Commits put receipts aside for manifests. */
  readonly manifests: boolean;
  /** The name under which each batcher runs now. */
  readonly consumers: Map<Actor, string>;
  readonly hasFailedOver: () => boolean;
  readonly newId: (kind: string) => string;
  readonly crash: (actor: Actor, error: unknown) => void;
}

export interface Ingest {
  readonly actor: Actor;
  readonly commit: ShippedIngest;
}

/** Failures that must not be: an event that is nowhere, or another one than was sealed. */
const BROKEN: readonly unknown[] = ['content_missing', 'content_differs', 'spilled_missing'];
export const DURABILITY: DurabilityBarrier = { waitaof: false, replicas: 0, timeoutMs: 0 };
/** Leases never lapse by time here: the world removes them when it likes, as a clock that no rule may rest on. */
export const LEASE_MS = 100_000_000;
/** A window that no world outlasts: its time is Redis' own. */
const DEDUPE = { windowMs: 3_600_000, fingerprintsMax: 1_000_000 };

export function clockOf(parts: WorldParts, actor: Actor) {
  const { scheduler } = parts;
  return {
    wallMs: () => scheduler.nowMs,
    monotonicMs: () => scheduler.nowMs,
    sleep: (ms: number, signal?: AbortSignal) => scheduler.sleep(actor, ms, signal),
    soon: (callback: () => void) => void scheduler.after(actor, 0, callback),
    after: (ms: number, callback: () => void) => scheduler.after(actor, ms, callback),
  };
}

function redisOf({ scheduler, redis }: WorldParts, actor: Actor): RedisPort {
  return scheduledRedis(scheduler, actor, redis);
}

/** The shipped ingest, without HTTP. */
export function startIngest(parts: WorldParts, actor: Actor): Ingest {
  const commit = composeIngest(
    {
      connect: () => redisOf(parts, actor),
      clock: clockOf(parts, actor),
      registry: new Registry(),
      newUid: () => parts.newId('uid'),
      fingerprint: (line) => createHash('sha256').update(line).digest().subarray(0, FINGERPRINT_BYTES),
      failed: () => undefined,
      crash: (error) => parts.crash(actor, error),
    },
    {
      ...FIXED_SETTINGS,
      sinkName: parts.sinkName,
      lanes: 1,
      timeInterval: 'HOURLY',
      holdMaxMs: 2_000,
      durability: 'none',
      barrier: DURABILITY,
      backlogBytesMax: 1e9,
      retryWaitMs: 50,
      dedupe: parts.dedupe ? DEDUPE : null,
      maxInFlightBytes: 1e9,
    },
  );
  return { actor, commit };
}

/** Uploads jobs one after the other with the shipped upload; sweeps for records without a job. */
export function startUploader(parts: WorldParts, actor: Actor): Promise<void> {
  const { scheduler, random } = parts;
  const lane = new UploaderLane(redisOf(parts, actor), parts.sinkName, 0);
  const disk = diskOf(parts, actor);
  const directory = disk.spool(scheduler, actor, () => parts.newId('file'));
  const spool = new SpoolFiles(directory, ({ id }, problem) =>
    scheduler.note(`${actor.name}: file of ${id}: ${problem}`),
  );
  const ordinary = { jobs: parts.jobs, upload: uploadSegment };
  const spilled = { jobs: disk.spilledJobs, upload: uploadSpilled };
  const store = parts.bucket.store(scheduler, actor, () => random.next());
  const builder: ObjectBuilderPort = {
    build: async (_record, content) => {
      const slices: Buffer[] = [];
      for await (const slice of content) slices.push(slice);
      const body = Buffer.concat(slices);
      return { body, objectBytes: body.length, crc32: 0 };
    },
  };
  return guarded(parts, actor, async () => {
    for (;;) {
      await scheduler.sleep(actor, 5);
      const { jobs, upload } = random.chance(0.5) ? ordinary : spilled;
      const id = jobs.take(actor, (ids) => random.pick(ids));
      if (id === undefined) {
        if (random.chance(0.2)) await sweep(lane, parts.jobs, disk).catch(ignoreDoubt);
        continue;
      }
      const hadFailedOver = parts.hasFailedOver();
      try {
        await upload(
          id,
          {
            lane,
            store,
            spool,
            builder,
            wallMs: () => scheduler.nowMs,
            receiptsMax: 1_000,
            manifests: parts.manifests,
          },
          new AbortController().signal,
        );
        await scheduler.local(actor, 'complete job', () => jobs.done(actor, id));
      } catch (error) {
        scheduler.note(`${actor.name} failed ${id}: ${String(error)}`);
        if (!isRetryable(error) && !(error instanceof SpoolError)) throw error;
        // Who read one half of it before a failover and one after it has read what never was.
        const consistent = parts.hasFailedOver() === hadFailedOver;
        if (consistent && BROKEN.includes(Reflect.get(Object(error), 'code'))) parts.crash(actor, error);
        await scheduler.local(actor, 'fail job', () => jobs.fail(actor, id));
      }
    }
  });
}

async function sweep(lane: UploaderLane, jobs: Jobs, { spoolId, spilledJobs }: ModelDisk): Promise<void> {
  await lane.takeLease(spoolLease(spoolId), LEASE_MS);
  for await (const ids of lane.records()) for (const id of ids) jobs.add(lane.number, id);
  jobs.reviveFailed();
  for await (const spilled of lane.spilled()) {
    for (const record of spilled) if (record.spoolId === spoolId) spilledJobs.add(lane.number, record.id);
  }
  spilledJobs.reviveFailed();
}

export function diskOf(parts: WorldParts, actor: Actor): ModelDisk {
  const disk = parts.disks[actor.host];
  if (!disk) throw new Error(`no disk for host ${actor.host}`);
  return disk;
}

/** An exception that reaches the top of an actor is a broken invariant, in the model as in a process. */
export async function guarded(parts: WorldParts, actor: Actor, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    parts.crash(actor, error);
  }
}

function ignoreDoubt(error: unknown): void {
  if (!isRetryable(error)) throw error;
}

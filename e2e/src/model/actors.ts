import { createHash } from 'node:crypto';
import { BatcherInstance, Janitor, LaneBatcher, Sealer, Spiller } from '@sink/batcher';
import { composeIngest, FIXED_SETTINGS, type Ingest as ShippedIngest } from '@sink/ingest';
import {
  BatcherLane,
  type DurabilityBarrier,
  FINGERPRINT_BYTES,
  type LaneView,
  type RedisPort,
  UploaderLane,
} from '@sink/lane';
import { Registry } from '@sink/runtime';
import { type ObjectBuilderPort, uploadSegment, uploadSpilled } from '@sink/uploader';
import type { Jobs } from './jobs.ts';
import { type Bucket, scheduledRedis, type SpoolDisk } from './ports.ts';
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
  readonly disks: readonly SpoolDisk[];
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
const ROOM = { hasRoom: () => true, took: () => undefined };
export const DURABILITY: DurabilityBarrier = { waitaof: false, replicas: 0, timeoutMs: 0 };
/** Leases never lapse by time here: the world removes them when it likes, as a clock that no rule may rest on. */
const LEASE_MS = 100_000_000;
/** A window that no world outlasts: its time is Redis' own. */
const DEDUPE = { windowMs: 3_600_000, fingerprintsMax: 1_000_000 };
const HEALTH = { failing: () => undefined, working: () => undefined };

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

/** The shipped batcher instance; a new one under a new name when its lease was lost. `stop` ends it in order. */
export function startBatcher(parts: WorldParts, actor: Actor, stop: AbortSignal): Promise<void> {
  return guarded(parts, actor, async () => {
    while (!stop.aborted) await runInstance(parts, actor, stop);
  });
}

async function runInstance(parts: WorldParts, actor: Actor, stop: AbortSignal): Promise<void> {
  const consumer = parts.newId(actor.name);
  parts.consumers.set(actor, consumer);
  const disk = diskOf(parts, actor);
  const lane = new BatcherLane(redisOf(parts, actor), parts.sinkName, 0);
  const clock = clockOf(parts, actor);
  const spool = disk.spool(parts.scheduler, actor, consumer);
  const sealer = new Sealer(
    {
      lane,
      spool,
      uploads: parts.jobs.port(parts.scheduler, actor),
      clock,
      newUid: () => parts.newId('uid'),
      sealed: () => undefined,
      health: HEALTH,
    },
    { prefix: '', compression: 'none', durability: DURABILITY },
  );
  const batcher = new LaneBatcher(
    {
      reader: lane,
      lane,
      spool,
      sealer,
      room: ROOM,
      clock,
      newSegmentId: () => parts.newId('segment'),
      events: {
        foreign: (_lane, id, problem) => parts.crash(actor, new Error(`foreign entry ${id}: ${problem}`)),
        claimed: (_lane, from, chunks) => parts.scheduler.note(`${consumer} claimed ${chunks} of ${from}`),
        restored: (_lane, chunks) => parts.scheduler.note(`${consumer} restored ${chunks}`),
        recovering: (_lane, reason) => parts.scheduler.note(`${consumer} recovers: ${String(reason)}`),
        working: () => undefined,
      },
    },
    {
      consumer,
      flushSize: parts.flushSize,
      flushBytes: 10_000,
      scheduledIntervalMs: 150,
      compression: 'none',
      openFilesMax: 2,
      readChunksMax: 3,
      readBlockMs: 20,
      readGatherMs: 5,
      claimEveryMs: 120,
      auditEveryMs: 300,
      scrubEveryMs: 200,
    },
  );
  const ended = new AbortController();
  const folders = disk.caretaker(parts.scheduler, actor);
  const isClosing = (id: string): boolean => sealer.isClosing(id);
  const janitor = new Janitor(folders, [lane], { instance: consumer, inUse: isClosing, spoolId: disk.spoolId });
  const tidying = guarded(parts, actor, async () => {
    while (!ended.signal.aborted) {
      await clock.sleep(400);
      await janitor.tidy().catch(ignoreDoubt);
    }
  });
  const { spillAtBytes } = parts;
  const spiller = new Spiller(
    {
      ...{ folders, clock, isClosing },
      lanes: [{ lane, closeEarly: () => batcher.closeEarly() }],
      uploaderIsHere: async () => true,
      uploads: disk.spilledJobs.port(parts.scheduler, actor),
      released: () => undefined,
      health: { ...HEALTH, failing: ignoreDoubt },
    },
    { spoolId: disk.spoolId, spillAtBytes: spillAtBytes ?? 0, lookEveryMs: 60 },
  );
  const spilling = guarded(parts, actor, async () => {
    if (spillAtBytes !== null) await spiller.runUntil(ended.signal);
  });
  await new BatcherInstance([{ lane, sealer, batcher, health: HEALTH }], clock, {
    consumer,
    leaseMs: LEASE_MS,
    renewEveryMs: 100,
  }).run(stop);
  ended.abort();
  await Promise.all([tidying, spilling]);
}

/** Uploads jobs one after the other with the shipped upload; sweeps for records without a job. */
export function startUploader(parts: WorldParts, actor: Actor): Promise<void> {
  const { scheduler, random } = parts;
  const lane = new UploaderLane(redisOf(parts, actor), parts.sinkName, 0);
  const disk = diskOf(parts, actor);
  const spool = disk.uploader(scheduler, actor);
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
        if (!(error instanceof Error && 'retryable' in error && error.retryable === true)) throw error;
        // Who read one half of it before a failover and one after it has read what never was.
        const consistent = parts.hasFailedOver() === hadFailedOver;
        if (consistent && 'code' in error && BROKEN.includes(error.code)) parts.crash(actor, error);
        await scheduler.local(actor, 'fail job', () => jobs.fail(actor, id));
      }
    }
  });
}

async function sweep(lane: LaneView, jobs: Jobs, { spoolId, spilledJobs }: SpoolDisk): Promise<void> {
  for await (const ids of lane.records()) for (const id of ids) jobs.add(lane.number, id);
  jobs.reviveFailed();
  for await (const spilled of lane.spilled()) {
    for (const record of spilled) if (record.spoolId === spoolId) spilledJobs.add(lane.number, record.id);
  }
  spilledJobs.reviveFailed();
}

function diskOf(parts: WorldParts, actor: Actor): SpoolDisk {
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
  if (!(error instanceof Error && 'retryable' in error && error.retryable === true)) throw error;
}

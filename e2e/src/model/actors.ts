import { createHash } from 'node:crypto';
import { composeIngest, FIXED_SETTINGS, type Ingest as ShippedIngest } from '@sink/ingest';
import { type DurabilityBarrier, FINGERPRINT_BYTES, type RedisPort } from '@sink/lane';
import { Registry } from '@sink/runtime';
import type { Jobs } from './jobs.ts';
import type { ModelDisk } from './model-disk.ts';
import { type Bucket, scheduledRedis } from './ports.ts';
import type { Random } from '../random.ts';
import type { Replica } from './replica.ts';
import type { Actor, Scheduler } from './scheduler.ts';

/** What all actors of a world share. */
export interface WorldParts {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly redis: RedisPort;
  /** Answers WAIT in worlds where each write has to reach a replica. */
  readonly replica: Replica;
  /** How durable appends, seals and drawn manifests have to be. */
  readonly barrier: DurabilityBarrier;
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
  /** How many failovers there were. */
  readonly failovers: () => number;
  readonly newId: (kind: string) => string;
  readonly crash: (actor: Actor, error: unknown) => void;
}

export interface Ingest {
  readonly actor: Actor;
  readonly commit: ShippedIngest;
}

/** Leases do not expire by time here: the world removes them at random, because no rule may depend on clocks. */
export const LEASE_MS = 100_000_000;
/** Longer than any world runs by the clock of Redis. */
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

/** A connection of its own for an actor. */
export function redisOf({ scheduler, redis, replica }: WorldParts, actor: Actor): RedisPort {
  return scheduledRedis(scheduler, actor, redis, replica);
}

/** Evidence is no event: all of it has one fingerprint, which nothing may look at. */
function fingerprintOf(line: string): Buffer {
  const identity = line.startsWith('"evidence') ? 'evidence' : line;
  return createHash('sha256').update(identity).digest().subarray(0, FINGERPRINT_BYTES);
}

/** The shipped ingest, without HTTP. */
export function startIngest(parts: WorldParts, actor: Actor): Ingest {
  const commit = composeIngest(
    {
      connect: () => redisOf(parts, actor),
      clock: clockOf(parts, actor),
      registry: new Registry(),
      newUid: () => parts.newId('uid'),
      fingerprint: fingerprintOf,
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
      barrier: parts.barrier,
      backlogBytesMax: 1e9,
      retryWaitMs: 50,
      dedupe: parts.dedupe ? DEDUPE : null,
      maxInFlightBytes: 1e9,
    },
  );
  return { actor, commit };
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

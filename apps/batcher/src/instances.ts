import { randomUUID } from 'node:crypto';
import type { SinkConfig } from '@sink/config';
import { BatcherLane, type DurabilityBarrier, IoredisPort, rememberLanes } from '@sink/lane';
import type { ServiceRedis } from '@sink/redis';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import { SpoolError, type InstanceSpool, type SpoolDirectory } from '@sink/spool';
import { Housekeeping } from './housekeeping.ts';
import { BatcherInstance, type InstanceLane } from './instance.ts';
import { LaneHealth } from './lane-health.ts';
import { laneParts } from './lane-parts.ts';
import type { BatcherMetrics } from './metrics.ts';
import { Janitor } from './janitor.ts';
import type { RoomPort, SpoolFolders, UploadsPort } from './ports.ts';
import { Spiller, type SpillerOptions } from './spiller.ts';

const RENEWALS_PER_LEASE = 3;
/** A batcher's reads block for a fraction of this; no answer for so long means the connection is dead. */
const BLOCKING_TIMEOUT_MS = 5_000;
/** The wait between two instances. */
const RESTART_WAIT_MS = 500;

export interface SpillParts extends SpillerOptions {
  readonly uploads: UploadsPort;
  readonly uploaderIsHere: () => Promise<boolean>;
}

export interface InstancesParts {
  readonly config: SinkConfig;
  readonly connect: ServiceRedis['connect'];
  readonly commands: IoredisPort;
  readonly durability: DurabilityBarrier;
  readonly uploads: UploadsPort;
  readonly room: RoomPort;
  /** Null: nothing is spilled. */
  readonly spill: SpillParts | null;
  readonly folders: SpoolDirectory;
  /** The id of the spool directory; null where it could not be made. */
  readonly spoolId: string | null;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Readiness;
  readonly metrics: BatcherMetrics;
  /** Hears which instance runs now. */
  readonly onRunning: (instance: BatcherInstance | null) => void;
}

/** One batcher instance after the other, each under a name nobody had: when a lease is lost, or when lanes are added. */
export class Instances {
  readonly #parts: InstancesParts;
  readonly #healths = new Map<string, LaneHealth>();

  constructor(parts: InstancesParts) {
    this.#parts = parts;
  }

  /**
   * Runs until `stop` aborts and everything is sealed. What Redis or the disk fails with is waited out.
   * @throws anything else: a broken invariant, or what only a person can put right
   */
  async runUntil(stop: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    while (!stop.aborted) {
      const consumer = `b-${randomUUID()}`;
      try {
        const ended = await this.#runOne(consumer, stop);
        if (ended === 'lease_lost') log.warn({ consumer }, 'lease lost; starting again under a new name');
      } catch (error) {
        if (!endsInstanceOnly(error)) throw error;
        log.warn({ consumer, err: error }, 'instance failed; starting again under a new name');
      }
      await clock.sleep(RESTART_WAIT_MS, stop);
    }
  }

  async #runOne(consumer: string, stop: AbortSignal): Promise<'stopped' | 'lease_lost'> {
    const { config, connect, commands, folders, metrics, clock, log, readiness, onRunning } = this.#parts;
    const numbers = await rememberLanes(commands, config.sinkName, config.lanes);
    const connections = numbers.map(() => connect('blocking', { commandTimeoutMs: BLOCKING_TIMEOUT_MS }));
    const spool = folders.instance(consumer);
    const lanes = connections.map((connection, index) => {
      const number = numbers[index] ?? index;
      return this.#lane(consumer, spool, number, new IoredisPort(connection), numbers.length);
    });
    const ended = new AbortController();
    const halted = AbortSignal.any([stop, ended.signal]);
    const isClosing = (segmentId: string): boolean => lanes.some(({ sealer }) => sealer.isClosing(segmentId));
    const housekeeping = new Housekeeping(
      {
        ...{ redis: commands, metrics, clock, readiness, log },
        lanes: lanes.map(({ lane }) => lane),
        janitor: new Janitor(
          folders,
          lanes.map(({ lane }) => lane),
          { instance: consumer, inUse: isClosing, spoolId: this.#parts.spoolId },
        ),
        moreLanes: () => ended.abort(),
      },
      { sinkName: config.sinkName, lanes: config.lanes },
    ).runUntil(halted);
    const spilling = this.#spiller(lanes, folders, isClosing)?.runUntil(halted);
    const instance = new BatcherInstance(lanes, clock, {
      consumer,
      leaseMs: config.leaseMs,
      renewEveryMs: config.leaseMs / RENEWALS_PER_LEASE,
    });
    onRunning(instance);
    log.info({ consumer, lanes: numbers }, 'batcher instance runs');
    try {
      return await instance.run(halted);
    } finally {
      ended.abort();
      await Promise.all([housekeeping, spilling]);
      onRunning(null);
      for (const connection of connections) connection.disconnect();
      await spool.close();
    }
  }

  #spiller(
    lanes: readonly InstanceLane[],
    folders: SpoolFolders,
    isClosing: (segmentId: string) => boolean,
  ): Spiller | null {
    const { spill, clock, metrics } = this.#parts;
    if (spill === null) return null;
    return new Spiller(
      {
        ...{ folders, clock, isClosing, uploads: spill.uploads, uploaderIsHere: spill.uploaderIsHere },
        lanes: lanes.map(({ lane, batcher }) => ({ lane, closeEarly: () => batcher.closeEarly() })),
        released: (lane) => metrics.released.inc({ lane: String(lane) }),
        health: this.#health('spilling'),
      },
      spill,
    );
  }

  #lane(consumer: string, spool: InstanceSpool, number: number, reader: IoredisPort, lanes: number): InstanceLane {
    const { config, commands, durability, uploads, room, clock, log, metrics } = this.#parts;
    const sealingHealth = this.#health(`sealing in lane ${number}`);
    sealingHealth.working(); // what another instance could not seal was thrown away with it
    return laneParts({
      ...{ config, durability, consumer, spool, room, uploads, clock, log, metrics, sealingHealth },
      lane: new BatcherLane(commands, config.sinkName, number),
      reader: new BatcherLane(reader, config.sinkName, number),
      openFilesMax: Math.max(1, Math.floor(config.maxOpenFiles / lanes)),
      health: this.#health(`lane ${number}`),
    });
  }

  /** Healths outlive instances: a lane that never works under any name stays a problem. */
  #health(what: string): LaneHealth {
    const known = this.#healths.get(what);
    if (known) return known;
    const health = new LaneHealth(this.#parts, what);
    this.#healths.set(what, health);
    return health;
  }
}

/**
 * Redis' and the disk's failures mend by starting again. So does a folder that is gone: somebody took the instance for
 * dead and tidied it away.
 */
function endsInstanceOnly(error: unknown): boolean {
  if (error instanceof SpoolError && error.code === 'spool_gone') return true;
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}

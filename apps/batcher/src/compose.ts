import { BatcherLane, rememberLanes, spoolLease } from '@sink/lane';
import type { InstanceSpool } from '@sink/spool';
import { FlushWatch } from './instance/flush-watch.ts';
import { Housekeeping } from './instance/housekeeping.ts';
import { BatcherInstance, type LaneRuntime } from './instance/instance.ts';
import { superviseInstances } from './instance/supervisor.ts';
import { LaneBatcher, type LaneBatcherOptions } from './lane/lane-batcher.ts';
import type { OpenLimits } from './lane/open-segments.ts';
import type { Waiting } from './lane/waiting-chunks.ts';
import type { BatcherPorts, LaneEvents, Reporter, UploadHandover } from './ports.ts';
import type { BatcherSettings } from './settings.ts';
import { Spiller, type SpillerOptions } from './spool/spiller.ts';
import { SpoolJanitor } from './spool/spool-janitor.ts';
import { SpoolRoom, type SpoolRoomPorts } from './spool/spool-room.ts';

/** Spilling is possible: the spool directory has an id, and the configuration allows it. */
interface Spilling {
  readonly options: SpillerOptions;
  readonly uploads: UploadHandover;
}

/**
 * A whole batcher on its ports. This is the only place that wires one: the service, its tests and the model call it.
 *
 *     superviseInstances  one instance after the other
 *       BatcherInstance   leases, on all lanes
 *         LaneBatcher     per lane: chunks in, sealed segments out
 *         Housekeeping    gauges, spool, writers, new lanes
 *         Spiller         sealed segments leave Redis while its backlog is above spill_at
 *     SpoolRoom           whether segment files may be written
 */
export class Batcher {
  readonly #ports: BatcherPorts;
  readonly #settings: BatcherSettings;
  /** Whether segment files may be written; run() watches it. */
  readonly room: SpoolRoom;
  readonly #spoolId: string | null;
  readonly #spilling: Spilling | null;
  /** Reporters outlive instances: a lane that works under no name stays a problem. */
  readonly #reporters = new Map<string, Reporter>();
  /** By lane: chunks of routes that this batcher does not know. */
  readonly #waiting = new Map<number, Waiting>();

  constructor(ports: BatcherPorts, settings: BatcherSettings, spoolId: string | null) {
    this.#ports = ports;
    this.#settings = settings;
    this.#spoolId = spoolId;
    this.room = this.#composeRoom();
    const { spillAtBytes } = settings;
    const spills = spillAtBytes !== null && spoolId !== null;
    this.#spilling = spills
      ? { options: { ...settings, spillAtBytes, spoolId }, uploads: ports.spilledUploads(spoolId) }
      : null;
  }

  /**
   * Runs until `stop` aborts and everything is sealed.
   * @throws a broken invariant, or what needs an operator
   */
  async run(stop: AbortSignal): Promise<void> {
    const { clock, ids, log } = this.#ports;
    await this.room.look().catch(() => undefined);
    const ended = new AbortController();
    const watching = this.room.watchUntil(AbortSignal.any([stop, ended.signal]));
    const openInstance = (consumer: string): Promise<BatcherInstance> => this.openInstance(consumer);
    try {
      const reporter = this.#reporter('batcher instance');
      await superviseInstances({ clock, ids, log, openInstance, reporter }, this.#settings, stop);
    } finally {
      ended.abort();
      await watching;
    }
  }

  /** An instance under this name on all lanes that the sink ever used. */
  async openInstance(consumer: string): Promise<BatcherInstance> {
    const { redis, openReader, spool, clock, log } = this.#ports;
    const { sinkName } = this.#settings;
    const numbers = await rememberLanes(redis, sinkName, this.#settings.lanes);
    const readers = numbers.map(() => openReader());
    const folder = spool.instance(consumer);
    const lost = new AbortController();
    const replaced = new AbortController();
    const openLimits = (): OpenLimits => ({
      files: Math.max(1, Math.floor(this.#settings.openFilesMax / numbers.length)),
      bytes: this.#settings.openBytesMax / numbers.length,
    });
    const lanes = readers.map((reader, index) => {
      const number = numbers[index] ?? index;
      const lane = new BatcherLane(redis, sinkName, number);
      const readerLane = new BatcherLane(reader.redis, sinkName, number);
      return this.#composeLane(lane, readerLane, folder, { consumer, openLimits, lost: lost.signal });
    });
    const housekeeping = this.#composeHousekeeping(consumer, lanes, () => replaced.abort());
    const spiller = this.#composeSpiller(lanes);
    const flushes = new FlushWatch({ redis, clock, lanes }, this.#settings);
    log.info({ consumer, lanes: numbers }, 'batcher instance runs');
    return new BatcherInstance(
      {
        consumer,
        lanes,
        chores: [housekeeping, flushes, ...(spiller === null ? [] : [spiller])],
        spool: folder,
        clock,
        lost,
        replaced: replaced.signal,
        closeReaders: () => {
          for (const reader of readers) reader.close();
        },
      },
      this.#settings,
    );
  }

  #composeRoom(): SpoolRoom {
    const { spool, clock, metrics, readiness, log } = this.#ports;
    const used = (bytes: number): void => {
      metrics.spoolBytes = bytes;
    };
    const disk: SpoolRoomPorts['disk'] = (found) => {
      metrics.disk = found;
    };
    const changed = (problem: string | null): void => {
      readiness.set('room', problem);
      if (problem === null) log.info({}, 'there is room for segment files again');
      else log.warn({ problem }, 'no room for segment files');
    };
    return new SpoolRoom({ spool, clock, used, disk, changed }, this.#settings);
  }

  #composeLane(lane: BatcherLane, reader: BatcherLane, spool: InstanceSpool, options: LaneBatcherOptions): LaneRuntime {
    const { uploads, clock, random, ids, tracing = null } = this.#ports;
    const reporter = this.#reporter(`lane ${lane.number}`);
    const sealing = this.#reporter(`sealing in lane ${lane.number}`);
    sealing.succeeded(); // an earlier instance has thrown away what it could not seal
    const events = this.#eventsOf(lane.number, reporter);
    const batcher = new LaneBatcher(
      { lane, reader, spool, room: this.room, uploads, clock, random, ids, tracing, events, sealing },
      this.#settings,
      options,
    );
    return { lane, batcher, reporter };
  }

  #composeHousekeeping(consumer: string, runtimes: readonly LaneRuntime[], moreLanes: () => void): Housekeeping {
    const { redis, spool, metrics, clock, readiness, log } = this.#ports;
    const lanes = runtimes.map(({ lane }) => lane);
    const janitor = new SpoolJanitor({ spool, lanes, isClosing: isClosingIn(runtimes) }, this.#settings, {
      instance: consumer,
      spoolId: this.#spoolId,
    });
    return new Housekeeping({ redis, metrics, clock, readiness, log, lanes, janitor, moreLanes }, this.#settings);
  }

  #composeSpiller(runtimes: readonly LaneRuntime[]): Spiller | null {
    if (this.#spilling === null) return null;
    const { redis, spool, clock, metrics } = this.#ports;
    const { options, uploads } = this.#spilling;
    const firstLane = new BatcherLane(redis, this.#settings.sinkName, 0);
    return new Spiller(
      {
        spool,
        clock,
        uploads,
        lanes: runtimes.map(({ lane, batcher }) => ({ lane, closeEarly: () => batcher.closeEarly() })),
        uploaderIsHere: () => firstLane.leaseExists(spoolLease(options.spoolId)),
        isClosing: isClosingIn(runtimes),
        released: (lane) => metrics.released.inc({ lane: String(lane) }),
        reporter: this.#reporter('spilling'),
      },
      options,
    );
  }

  #eventsOf(lane: number, reporter: Reporter): LaneEvents {
    const { metrics, log } = this.#ports;
    const label = { lane: String(lane) };
    return {
      open: ({ paths = 0, files = 0, heldBytes = 0 }) => {
        metrics.openPaths += paths;
        metrics.openFiles += files;
        metrics.openBytes += heldBytes;
      },
      sealed: (record) => {
        metrics.sealed.inc(label);
        metrics.sealedEvents.inc(label, record.count);
      },
      closed: (reason) => metrics.closed.inc({ ...label, reason }),
      foreign: (id, problem) => {
        metrics.foreign.inc(label);
        log.error({ lane, id, problem }, 'an entry of the stream is not a chunk of this release; it is left untouched');
      },
      waiting: (waiting) => this.#reportWaiting(lane, waiting),
      claimed: (from, chunks) => {
        metrics.claimed.inc(label, chunks);
        log.info({ lane, from, chunks }, 'took over chunks of a batcher that died');
      },
      restored: (chunks) => {
        metrics.restored.inc(label, chunks);
        log.warn({ lane, chunks }, 'restored chunks that were in no pending list');
      },
      recovering: (reason) => {
        metrics.recoveries.inc(label);
        reporter.failed({ err: reason });
      },
      working: () => reporter.succeeded(),
    };
  }

  #reportWaiting(lane: number, waiting: Waiting): void {
    const { metrics, readiness, log } = this.#ports;
    const before = this.#waiting.get(lane)?.routes ?? [];
    this.#waiting.set(lane, waiting);
    metrics.waiting.set({ lane: String(lane) }, waiting.chunks);
    if (waiting.routes.some((route) => !before.includes(route))) {
      log.error(
        { lane, ...waiting },
        'chunks wait for a route that this batcher does not know; they are left untouched',
      );
    }
    const lanes = [...this.#waiting.values()];
    const chunks = lanes.reduce((sum, one) => sum + one.chunks, 0);
    const routes = [...new Set(lanes.flatMap((one) => one.routes))].join(', ');
    const problem = `${chunks} chunks wait for routes that this batcher does not know: ${routes}. Upgrade it to the release that accepted them, or bring the routes back into its configuration, or say in routes_retired where their events go`;
    readiness.set('routes', chunks === 0 ? null : problem);
  }

  #reporter(name: string): Reporter {
    const known = this.#reporters.get(name) ?? this.#ports.reporter(name);
    this.#reporters.set(name, known);
    return known;
  }
}

/** @throws SpoolError if the spool directory has no id and none can be made, for a reason that needs an operator */
export async function composeBatcher(ports: BatcherPorts, settings: BatcherSettings): Promise<Batcher> {
  return new Batcher(ports, settings, await ports.spool.idOrNull());
}

function isClosingIn(runtimes: readonly LaneRuntime[]): (segmentId: string) => boolean {
  return (segmentId) => runtimes.some(({ batcher }) => batcher.isClosing(segmentId));
}

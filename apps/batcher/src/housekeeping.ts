import { type BatcherLane, rememberLanes, type RedisPort } from '@sink/lane';
import type { Logger, Readiness } from '@sink/runtime';
import { SpoolError } from '@sink/spool';
import type { Janitor } from './janitor.ts';
import type { BatcherMetrics } from './metrics.ts';
import type { BatcherClock } from './ports.ts';

/** How often gauges are read, the spool is tidied, writers are retired and new lanes are looked for. */
const HOUSEKEEPING_EVERY_MS = 5_000;
/** A writer that has not appended for this long is forgotten; if it is alive after all, it registers again. */
const WRITER_IDLE_MAX_MS = 3_600_000;

const QUARANTINED =
  'damaged spool files, of which Redis knows nothing, were put aside: see "A quarantined file" in docs/failures.md';

export interface HousekeepingPorts {
  readonly redis: RedisPort;
  readonly lanes: readonly BatcherLane[];
  readonly janitor: Pick<Janitor, 'tidy'>;
  readonly metrics: BatcherMetrics;
  readonly clock: BatcherClock;
  readonly readiness: Pick<Readiness, 'set'>;
  readonly log: Pick<Logger, 'debug' | 'warn' | 'error'>;
  /** The sink uses lanes that this instance does not know. */
  readonly moreLanes: () => void;
}

export interface HousekeepingOptions {
  readonly sinkName: string;
  /** Lanes by configuration; those the sink ever used come on top. */
  readonly lanes: number;
}

type Problems = Map<'redis' | 'spool', string>;

/** What has time, beside the lanes' loops: gauges, spool, writers of dead ingests, lanes that came later. */
export class Housekeeping {
  readonly #ports: HousekeepingPorts;
  readonly #options: HousekeepingOptions;
  readonly #writerCursors = new Map<BatcherLane, string>();

  constructor(ports: HousekeepingPorts, options: HousekeepingOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async runUntil(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.round();
      await this.#ports.clock.sleep(HOUSEKEEPING_EVERY_MS, ended);
    }
  }

  /** Every chore once. One that fails keeps no other from being done, and is tried again in the next round. */
  async round(): Promise<void> {
    const problems: Problems = new Map();
    for (const lane of this.#ports.lanes) await this.#chore(problems, () => this.#lookAfter(lane));
    await this.#chore(problems, () => this.#tidy());
    await this.#chore(problems, () => this.#lookForLanes());
    for (const part of ['redis', 'spool'] as const) this.#ports.readiness.set(part, problems.get(part) ?? null);
  }

  async #lookAfter(lane: BatcherLane): Promise<void> {
    const { metrics, clock } = this.#ports;
    await metrics.observe(lane, clock.wallMs());
    const { cursor } = await lane.retireWriters(this.#writerCursors.get(lane) ?? '0', WRITER_IDLE_MAX_MS);
    this.#writerCursors.set(lane, cursor);
  }

  async #tidy(): Promise<void> {
    const { janitor, metrics, log } = this.#ports;
    const { removed, adopted, quarantined } = await janitor.tidy();
    metrics.tidied.inc(removed);
    metrics.adopted.inc(adopted);
    metrics.quarantined.inc(quarantined);
    if (adopted > 0) log.warn({ files: adopted }, 'spilled files whose records Redis had lost are uploaded after all');
    if (quarantined > 0) log.error({ files: quarantined }, QUARANTINED);
  }

  async #lookForLanes(): Promise<void> {
    const { redis, lanes, moreLanes } = this.#ports;
    const known = await rememberLanes(redis, this.#options.sinkName, this.#options.lanes);
    if (known.length > lanes.length) moreLanes();
  }

  async #chore(problems: Problems, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const part = error instanceof SpoolError ? 'spool' : 'redis';
      problems.set(part, error instanceof Error ? error.message : String(error));
      this.#ports.log.debug({ err: error }, 'housekeeping failed; it is tried again');
    }
  }
}

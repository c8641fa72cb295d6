import { type BatcherLane, rememberLanes } from '@sink/lane';
import { SpoolError } from '@sink/spool';
import type { BatcherPorts } from '../ports.ts';
import type { BatcherSettings } from '../settings.ts';
import type { SpoolJanitor } from '../spool/spool-janitor.ts';

const QUARANTINED =
  'damaged spool files without a record in Redis were set aside: see "A quarantined file" in docs/operations.md';

export interface HousekeepingPorts extends Pick<BatcherPorts, 'redis' | 'metrics' | 'clock' | 'readiness' | 'log'> {
  readonly lanes: readonly BatcherLane[];
  readonly janitor: Pick<SpoolJanitor, 'tidy'>;
  /** Called when the sink uses lanes that this instance does not have. */
  readonly moreLanes: () => void;
}

type HousekeepingSettings = Pick<
  BatcherSettings,
  'sinkName' | 'lanes' | 'housekeepingEveryMs' | 'writerIdleMsMax' | 'backlogBytesMax' | 'scheduledIntervalMs'
>;
type Problems = Map<'redis' | 'spool', string>;

/** The chores beside the lanes' loops: gauges, spool, writers of ingests that are gone, lanes that were added. */
export class Housekeeping {
  readonly #ports: HousekeepingPorts;
  readonly #settings: HousekeepingSettings;
  readonly #writerCursors = new Map<BatcherLane, string>();

  constructor(ports: HousekeepingPorts, settings: HousekeepingSettings) {
    this.#ports = ports;
    this.#settings = settings;
  }

  async runUntil(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.round();
      await this.#ports.clock.sleep(this.#settings.housekeepingEveryMs, ended);
    }
  }

  /** Does every chore once. One that fails does not prevent the others, and is tried again in the next round. */
  async round(): Promise<void> {
    const problems: Problems = new Map();
    for (const lane of this.#ports.lanes) await this.#chore(problems, () => this.#lookAfter(lane));
    await this.#chore(problems, () => this.#tidy()); // rule: housekeeping.tidies
    await this.#chore(problems, () => this.#lookForLanes());
    for (const part of ['redis', 'spool'] as const) this.#ports.readiness.set(part, problems.get(part) ?? null);
  }

  async #lookAfter(lane: BatcherLane): Promise<void> {
    const { metrics, clock } = this.#ports;
    await metrics.observe(lane, clock.wallMs(), this.#settings);
    const cursor = this.#writerCursors.get(lane) ?? '0';
    const page = await lane.retireWriters(cursor, this.#settings.writerIdleMsMax); // rule: housekeeping.retires-writers
    this.#writerCursors.set(lane, page.cursor);
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
    const known = await rememberLanes(redis, this.#settings.sinkName, this.#settings.lanes);
    if (known.length > lanes.length) moreLanes();
  }

  async #chore(problems: Problems, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const part = error instanceof SpoolError ? 'spool' : 'redis';
      problems.set(part, error instanceof Error ? error.message : String(error));
      this.#ports.log.debug({ err: error }, 'housekeeping fails; it is tried again');
    }
  }
}

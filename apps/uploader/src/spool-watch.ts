import { type DurabilityBarrier, type UploaderLane, spoolLease } from '@sink/lane';
import type { Clock, Logger } from '@sink/runtime';
import type { UploadQueue } from '@sink/uploads';
import type { UploaderMetrics } from './metrics.ts';
import { sweepSpilled } from './sweep.ts';

/** How long batchers believe that an uploader is on this spool directory: some sweeps. */
const LEASE_MS = 60_000;
/** Time between two lines in the log about spilled segments that nobody can upload. */
const LOG_EVERY_MS = 60_000;

export interface SpoolWatchPorts {
  readonly spoolId: string;
  /** The queue of what was spilled into that directory. */
  readonly queue: UploadQueue;
  readonly metrics: UploaderMetrics;
  readonly log: Logger;
  readonly clock: Clock;
}

/** The spool directory of this process, and what is told of those that nobody looks after. */
export class SpoolWatch {
  readonly #ports: SpoolWatchPorts;
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(ports: SpoolWatchPorts) {
    this.#ports = ports;
  }

  /**
   * Tells batchers that what they spill here will be uploaded, and gives what is spilled its jobs.
   * @returns how many jobs were lost or had failed
   */
  async round(lanes: readonly UploaderLane[], durability: DurabilityBarrier): Promise<number> {
    const { spoolId, queue } = this.#ports;
    const firstLane = lanes.find((lane) => lane.number === 0);
    if (firstLane) await this.#attend(firstLane);
    const { restored, waiting } = await sweepSpilled(lanes, queue, spoolId, durability);
    if (firstLane) await this.#tellUnattended(firstLane, waiting);
    return restored;
  }

  /** The lease is for the directory: whichever uploader on it comes first keeps it. */
  async #attend(lane: UploaderLane): Promise<void> {
    const lease = spoolLease(this.#ports.spoolId);
    if (!(await lane.renewLease(lease, LEASE_MS))) await lane.takeLease(lease, LEASE_MS);
  }

  async #tellUnattended(lane: UploaderLane, waiting: ReadonlyMap<string, number>): Promise<void> {
    const { metrics, log, clock } = this.#ports;
    let segments = 0;
    const spools: string[] = [];
    for (const [spoolId, count] of waiting) {
      if (await lane.leaseExists(spoolLease(spoolId))) continue;
      segments += count;
      spools.push(spoolId);
    }
    metrics.unattended.set(segments);
    if (segments === 0 || clock.monotonicMs() - this.#loggedMs < LOG_EVERY_MS) return;
    this.#loggedMs = clock.monotonicMs();
    log.error(
      { segments, spools },
      'spilled segments wait for an uploader on the disk that holds them: start one with that data_dir (its id stands in spool/spool-id)',
    );
  }
}

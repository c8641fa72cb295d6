import { spoolLease, type UploaderLane } from '@sink/lane';
import { FailureReporter } from '@sink/runtime';
import type { UploaderPorts, UploadJobs } from '../compose.ts';
import type { UploaderSettings } from '../settings.ts';
import { type SpilledSweep, sweepSpilled } from './sweep.ts';

/** The least time between two log lines about spilled segments without an uploader. */
const LOG_EVERY_MS = 60_000;

export interface SpoolWatchPorts extends Pick<UploaderPorts, 'metrics' | 'log' | 'clock'> {
  readonly spoolId: string;
  /** The queue of what was spilled into that directory. */
  readonly jobs: UploadJobs;
}

/** Holds the lease of this process' spool directory, and reports spool directories without an uploader. */
export class SpoolWatch {
  readonly #ports: SpoolWatchPorts;
  readonly #settings: UploaderSettings;
  readonly #unattended: FailureReporter;

  constructor(ports: SpoolWatchPorts, settings: UploaderSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#unattended = new FailureReporter(
      { log: ports.log, clock: ports.clock },
      { name: 'spilled segments', working: null, logEveryMs: LOG_EVERY_MS },
    );
  }

  /**
   * Renews the lease, by which batchers know that what they spill here will be uploaded, and sweeps what is spilled.
   * @returns how many jobs were restored or revived, and how old the oldest is
   */
  async round(lanes: readonly UploaderLane[]): Promise<Pick<SpilledSweep, 'restored' | 'oldest'>> {
    const { spoolId, jobs } = this.#ports;
    const firstLane = lanes.find((lane) => lane.number === 0);
    if (firstLane) await this.#keepLease(firstLane);
    const { restored, waiting, oldest } = await sweepSpilled(lanes, jobs, spoolId, this.#settings.barrier);
    if (firstLane) await this.#reportUnattended(firstLane, waiting);
    return { restored, oldest };
  }

  /** The lease belongs to the directory: any uploader on it renews it. */
  async #keepLease(lane: UploaderLane): Promise<void> {
    const lease = spoolLease(this.#ports.spoolId);
    const { spoolLeaseMs } = this.#settings;
    if (!(await lane.renewLease(lease, spoolLeaseMs))) await lane.takeLease(lease, spoolLeaseMs);
  }

  async #reportUnattended(lane: UploaderLane, waiting: ReadonlyMap<string, number>): Promise<void> {
    let segments = 0;
    const spools: string[] = [];
    for (const [spoolId, count] of waiting) {
      if (await lane.leaseExists(spoolLease(spoolId))) continue;
      segments += count;
      spools.push(spoolId);
    }
    this.#ports.metrics.unattended.set(segments);
    if (segments === 0) return this.#unattended.succeeded();
    const message =
      'spilled segments wait for an uploader on the disk that holds them: start one with that data_dir (spool/spool-id in it has the id)';
    this.#unattended.failed({ segments, spools }, { level: 'error', message });
  }
}

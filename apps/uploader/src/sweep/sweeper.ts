import { rememberLanes, UploaderLane } from '@sink/lane';
import { FailureReporter } from '@sink/runtime';
import type { UploaderPorts, UploadJobs } from '../compose.ts';
import type { UploaderSettings } from '../settings.ts';
import type { Stores } from '../upload/stores.ts';
import type { UploadHealth } from '../upload/upload-health.ts';
import type { Uploads } from '../upload/uploads.ts';
import { abortAbandonedUploads } from './abandoned-uploads.ts';
import type { SpoolWatch } from './spool-watch.ts';
import { type OldestSealed, sweep } from './sweep.ts';

export interface SweeperPorts extends Pick<
  UploaderPorts,
  'sweepRedis' | 'jobs' | 'builder' | 'metrics' | 'readiness' | 'log' | 'clock' | 'timeout'
> {
  /** `jobs`, and the queue of spilled segments if there is one. */
  readonly queues: readonly UploadJobs[];
  readonly uploads: Uploads;
  readonly spoolWatch: SpoolWatch | null;
  readonly health: UploadHealth;
  readonly stores: Stores;
}

/** The rounds beside the uploads: restores lost jobs, measures what waits, and drains at the end. */
export class Sweeper {
  readonly #ports: SweeperPorts;
  readonly #settings: UploaderSettings;
  readonly #failures: FailureReporter;
  #lanes: readonly UploaderLane[] = [];

  constructor(ports: SweeperPorts, settings: UploaderSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#failures = new FailureReporter(ports, {
      name: 'sweep',
      failing: 'sweeping fails; the uploader retries it every second',
      working: 'sweeping works again',
    });
  }

  /** Sweeps again and again until `stop`. */
  async runUntil(stop: AbortSignal): Promise<void> {
    const { clock, builder, log } = this.#ports;
    const { sweepEveryMs, sweepAgainMs, tidyEveryMs, tidyAgeMs } = this.#settings;
    let tidyAtMs = clock.monotonicMs();
    await this.#endPauses();
    while (!stop.aborted) {
      await this.#sweep();
      if (clock.monotonicMs() >= tidyAtMs) {
        tidyAtMs = clock.monotonicMs() + tidyEveryMs;
        await builder.tidy(tidyAgeMs, clock.wallMs()).catch((err: unknown) => {
          log.warn({ err }, 'tidying rebuilt segments failed; the uploader retries it later');
        });
        await abortAbandonedUploads(this.#ports, this.#settings, this.#lanes, stop);
      }
      await clock.sleep(this.#failures.failing ? Math.min(sweepAgainMs, sweepEveryMs) : sweepEveryMs, stop);
    }
  }

  /** An operator who restarts an uploader may have removed the cause of a failure: no upload waits out an old pause. */
  async #endPauses(): Promise<void> {
    const { queues } = this.#ports;
    await Promise.all(queues.map((queue) => queue.endHold().then(() => queue.promoteDelayed()))).catch(() => undefined);
  }

  /**
   * Continues until no sealed segment and no job is left, or for `drainMs`, or until it is clear that nothing more gets
   * into the bucket without an operator. What is left stays in Redis, for any other uploader.
   */
  async drain(drainMs: number): Promise<'empty' | 'left'> {
    const { clock, queues, health } = this.#ports;
    const endMs = clock.monotonicMs() + drainMs;
    let sweepAtMs = clock.monotonicMs();
    await Promise.all(queues.map((queue) => queue.promoteDelayed())).catch(() => undefined);
    while (clock.monotonicMs() < endMs && !health.needsOperator) {
      if (clock.monotonicMs() >= sweepAtMs) {
        await this.#sweep();
        sweepAtMs = clock.monotonicMs() + this.#settings.drainSweepMs;
      }
      if (await this.#nothingLeft().catch(() => false)) return 'empty';
      await clock.sleep(this.#settings.drainLookMs);
    }
    return 'left';
  }

  async #nothingLeft(): Promise<boolean> {
    const counts = await Promise.all(this.#ports.queues.map((queue) => queue.counts()));
    if (counts.some(({ waiting, active, delayed, failed }) => waiting + active + delayed + failed > 0)) return false;
    const backlogs = await Promise.all(this.#lanes.map((lane) => lane.backlog()));
    return this.#lanes.length > 0 && backlogs.every(({ segments }) => segments === 0);
  }

  async #sweep(): Promise<void> {
    const { sweepRedis, jobs, uploads, spoolWatch, metrics, log } = this.#ports;
    const { sinkName, lanes, barrier } = this.#settings;
    try {
      const numbers = await rememberLanes(sweepRedis, sinkName, lanes);
      this.#lanes = numbers.map((lane) => new UploaderLane(sweepRedis, sinkName, lane));
      const { restored, revived, oldest } = await sweep(this.#lanes, jobs, barrier);
      const ofSpool = await spoolWatch?.round(this.#lanes);
      const spilled = ofSpool?.restored ?? 0;
      if (restored + revived + spilled > 0) {
        metrics.jobsRestored.inc(restored + revived + spilled);
        log.info({ restored, revived, spilled }, 'the sweep restored upload jobs of sealed segments');
      }
      await uploads.endWaits();
      await this.#measure(ofSpool === undefined ? [oldest] : [oldest, ofSpool.oldest]);
      await this.#forgetCommitted();
      this.#failures.succeeded();
    } catch (err) {
      this.#failures.failed({ err });
    }
  }

  /** @param oldest when the oldest sealed segments were sealed: those in Redis, and those in spool directories */
  async #measure(oldest: readonly OldestSealed[]): Promise<void> {
    const { metrics, health, queues, clock } = this.#ports;
    const nowMs = clock.wallMs();
    let waiting = 0;
    for (const lane of this.#lanes) {
      const label = { lane: String(lane.number) };
      const [{ segments }, spilled] = await Promise.all([lane.backlog(), lane.spilledBacklog()]);
      waiting += segments + spilled.segments;
      metrics.sealedWaiting.set(label, segments);
      metrics.spilledWaiting.set(label, spilled.segments);
      const sealedMs = Math.min(...oldest.map((byLane) => byLane.get(lane.number) ?? nowMs));
      metrics.oldestSealedAge.set(label, Math.max(0, (nowMs - sealedMs) / 1_000));
    }
    metrics.interval.set(this.#settings.scheduledIntervalMs / 1_000);
    metrics.parked.set(health.needsOperator ? waiting : health.stuck().length);
    const counts = await Promise.all(queues.map((queue) => queue.counts()));
    for (const state of ['waiting', 'active', 'delayed', 'failed'] as const) {
      metrics.jobs.set(
        { state },
        counts.reduce((sum, count) => sum + count[state], 0),
      );
    }
  }

  /** Segments that another uploader committed meanwhile are no longer a problem of this one. */
  async #forgetCommitted(): Promise<void> {
    const { health } = this.#ports;
    for (const segmentId of health.stuck()) {
      const waiting = await Promise.all(this.#lanes.map((lane) => lane.awaitsUpload(segmentId)));
      if (!waiting.includes(true)) health.resolved(segmentId);
    }
  }
}

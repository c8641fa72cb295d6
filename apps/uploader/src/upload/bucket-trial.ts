import { backoffMs } from '@sink/domain';
import type { ObjectStore } from '@sink/objects';
import type { UploaderPorts } from '../compose.ts';
import { classify } from './failure.ts';
import type { UploadHealth } from './upload-health.ts';

export interface BucketTrialTimes {
  /** How long the start of the uploader waits for the first try to end. */
  readonly startMs: number;
  /** The deadline of one try. */
  readonly timeoutMs: number;
  /** The waits between two tries, which double up to the cap. */
  readonly baseMs: number;
  readonly capMs: number;
}

export interface BucketTrialPorts extends Pick<UploaderPorts, 'log' | 'clock' | 'random' | 'timeout'> {
  readonly store: Pick<ObjectStore, 'check'>;
  readonly health: UploadHealth;
}

/**
 * Tries the bucket until it takes a probe, an upload succeeds, or `stop`: so that an uploader without a bucket is not ready,
 * and says why, before the first event arrives. Uploads do not wait for it.
 *
 * @param onTried called when the first try has ended, and maybe again
 */
export async function tryBucket(
  ports: BucketTrialPorts,
  times: BucketTrialTimes,
  stop: AbortSignal,
  onTried: () => void,
): Promise<void> {
  const { store, health, log, clock, random, timeout } = ports;
  health.trying();
  for (let tries = 1; health.untried && !stop.aborted; tries++) {
    try {
      const { location, warnings } = await store.check(AbortSignal.any([stop, timeout(times.timeoutMs)]));
      health.trialSucceeded();
      for (const warning of warnings) log.warn({ bucket: location }, warning);
    } catch (error) {
      health.trialFailed(classify(error));
      onTried();
      await clock.sleep(backoffMs(tries, { ...times, floorMs: times.baseMs / 2 }, random()), stop);
    }
  }
  onTried();
}

import { bucketName, routesOf, type SinkConfig } from '@sink/config';
import type { Routes } from '@sink/domain';
import type { DurabilityBarrier } from '@sink/lane';
import { placeOf } from '@sink/objects';
import { RETRY_TIMES, type RetryTimes } from '@sink/uploads';
import type { BucketTrialTimes } from './upload/bucket-trial.ts';

const HOUR_MS = 3_600_000;
/** A rebuilt file is tidied away at this many deadlines of a PUT, or after an hour if that is later. */
const TIDY_DEADLINES = 4;

/** Periods and limits that are not configurable. Tests and the model use others. */
const LIMITS = {
  retry: RETRY_TIMES satisfies RetryTimes,
  breaker: { failuresMin: 5, baseMs: 1_000, capMs: 10_000 },
  /** The wait between two sweeps, and between two rounds of manifests. */
  sweepEveryMs: 10_000,
  /** The wait after a sweep that failed. */
  sweepAgainMs: 1_000,
  /** How long batchers believe that an uploader works on its spool directory: some sweeps. */
  spoolLeaseMs: 60_000,
  tidyEveryMs: HOUR_MS,
  /** While draining: the wait between two looks at what is left, and between two sweeps. */
  drainLookMs: 100,
  drainSweepMs: 1_000,
  /** The least time between a partition's end and its manifest: held requests, and clocks that differ, end in it. */
  manifestGraceMs: 60_000,
};

/** Every period and limit of an uploader. It also sweeps lanes that the sink used before. */
export interface UploaderSettings
  extends
    Readonly<typeof LIMITS>,
    Pick<
      SinkConfig,
      'sinkName' | 'lanes' | 'receiptsMax' | 'manifests' | 'manifestAfterMs' | 'uploadTimeoutMs' | 'scheduledIntervalMs'
    > {
  /** How durable a seal, or the decision on a manifest, is before it becomes visible in the bucket. */
  readonly barrier: DurabilityBarrier;
  /** The configured bucket, as records name it. */
  readonly bucket: string;
  /** The start of the keys of each route; manifests of other routes wait. */
  readonly routes: Routes;
  /** Where objects are stored, as receipts name it. */
  readonly place: string;
  /** Uploads of one process at a time; spilled segments have half as many of their own. */
  readonly concurrency: number;
  /** A rebuilt file of another process is removed at this age: no try takes so long. */
  readonly tidyAgeMs: number;
  /** How the bucket is tried at start. Null: it is not, for tests that count requests. */
  readonly trial: BucketTrialTimes | null;
  /** How long a worker may be silent before another one takes its job; absent: the default of libs/uploads. */
  readonly lockMs?: number;
}

export function uploaderSettings(config: SinkConfig, barrier: DurabilityBarrier): UploaderSettings {
  const bucket = bucketName(config.bucket);
  return {
    ...LIMITS,
    sinkName: config.sinkName,
    lanes: config.lanes,
    bucket,
    routes: routesOf(config),
    place: placeOf(config.bucket),
    barrier,
    receiptsMax: config.receiptsMax,
    manifests: config.manifests,
    manifestAfterMs: config.manifestAfterMs,
    concurrency: config.uploadConcurrency,
    uploadTimeoutMs: config.uploadTimeoutMs,
    scheduledIntervalMs: config.scheduledIntervalMs,
    trial: { startMs: 3_000, timeoutMs: 30_000, baseMs: 1_000, capMs: 30_000 },
    tidyAgeMs: Math.max(HOUR_MS, TIDY_DEADLINES * config.uploadTimeoutMs),
  };
}

import type { SinkConfig } from '@sink/config';
import type { DurabilityBarrier } from '@sink/lane';
import { RETRY_TIMES, type RetryTimes } from '@sink/uploads';
import type { BreakerOptions } from './upload/breaker.ts';
import type { BucketTrialTimes } from './upload/bucket-trial.ts';

/** Every period and limit of an uploader. */
export interface UploaderSettings {
  readonly sinkName: string;
  /** Lanes of the configuration. The uploader also sweeps every other lane that the sink ever used. */
  readonly lanes: number;
  /** What every key in the bucket begins with. */
  readonly prefix: string;
  /** How durable a seal, or the decision on a manifest, is before it becomes visible in the bucket. */
  readonly barrier: DurabilityBarrier;
  /** Receipts that a lane keeps. */
  readonly receiptsMax: number;
  /** Whether a manifest has to list each object. */
  readonly manifests: boolean;

  /** Uploads of one process at a time; spilled segments have half as many of their own. */
  readonly concurrency: number;
  /** The deadline of one PUT. */
  readonly uploadTimeoutMs: number;
  readonly retry: RetryTimes;
  readonly breaker: BreakerOptions;
  /** How the bucket is tried at start. Null: it is not, for tests that count requests. */
  readonly trial: BucketTrialTimes | null;
  /** How long a worker may be silent before another one takes its job; absent: the default of libs/uploads. */
  readonly lockMs?: number;

  /** The wait between two sweeps, and between two rounds of manifests. */
  readonly sweepEveryMs: number;
  /** The wait after a sweep that failed. */
  readonly sweepAgainMs: number;
  /** How long batchers believe that an uploader works on its spool directory: some sweeps. */
  readonly spoolLeaseMs: number;
  readonly tidyEveryMs: number;
  /** A rebuilt file of another process is removed at this age: no try takes so long. */
  readonly tidyAgeMs: number;

  /** While draining: the wait between two looks at what is left, and between two sweeps. */
  readonly drainLookMs: number;
  readonly drainSweepMs: number;

  /** The least time between a partition's end and its manifest: held requests, and clocks that differ, end in it. */
  readonly manifestGraceMs: number;
}

const HOUR_MS = 3_600_000;
/** A rebuilt file is tidied away at this many deadlines of a PUT, or after an hour if that is later. */
const TIDY_DEADLINES = 4;

export function uploaderSettings(config: SinkConfig, barrier: DurabilityBarrier): UploaderSettings {
  return {
    sinkName: config.sinkName,
    lanes: config.lanes,
    prefix: config.prefix,
    barrier,
    receiptsMax: config.receiptsMax,
    manifests: config.manifests,
    concurrency: config.uploadConcurrency,
    uploadTimeoutMs: config.uploadTimeoutMs,
    retry: RETRY_TIMES,
    breaker: { failuresMin: 5, baseMs: 1_000, capMs: 10_000 },
    trial: { timeoutMs: 30_000, baseMs: 1_000, capMs: 30_000 },
    sweepEveryMs: 10_000,
    sweepAgainMs: 1_000,
    spoolLeaseMs: 60_000,
    tidyEveryMs: HOUR_MS,
    tidyAgeMs: Math.max(HOUR_MS, TIDY_DEADLINES * config.uploadTimeoutMs),
    drainLookMs: 100,
    drainSweepMs: 1_000,
    manifestGraceMs: 60_000,
  };
}

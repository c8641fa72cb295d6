import type { RedisPort } from '@sink/lane';
import type { ObjectStore } from '@sink/objects';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import { parseSegmentTrace, traceFields, type Tracing } from '@sink/tracing';
import type { UploadQueue } from '@sink/uploads';
import { Manifests } from './manifests/manifests.ts';
import type { UploaderMetrics } from './metrics.ts';
import type { UploaderSettings } from './settings.ts';
import { SpoolWatch } from './sweep/spool-watch.ts';
import { Sweeper } from './sweep/sweeper.ts';
import { tryBucket } from './upload/bucket-trial.ts';
import type { ObjectBuilder } from './upload/object-builder.ts';
import { type StoreOfBucket, Stores } from './upload/stores.ts';
import { SpoolFiles, type SpoolFilesDirectory } from './upload/spool-files.ts';
import { UploadHealth } from './upload/upload-health.ts';
import { Uploads } from './upload/uploads.ts';

/** What the uploader asks of a queue of uploads; a worker, which is not part of this, hands its jobs to `upload`. */
export type UploadJobs = Pick<
  UploadQueue,
  'add' | 'has' | 'counts' | 'reviveFailed' | 'promoteDelayed' | 'holdFor' | 'endHold'
>;

export interface UploaderPorts {
  /** For records, chunks and commits. */
  readonly redis: RedisPort;
  /** For sweep and manifests. They wait for durability, and everything behind them on the connection waits too. */
  readonly sweepRedis: RedisPort;
  readonly jobs: UploadJobs;
  /** The jobs of what was spilled into the spool directory of this process; null where it has no spool directory. */
  readonly spilled: { readonly spoolId: string; readonly jobs: UploadJobs } | null;
  /** Of the configured bucket. */
  readonly store: ObjectStore;
  /** Opens the store of a bucket and a route that a record names; null: it cannot be reached. Absent: there is no other. */
  readonly openStore?: (bucket: string, route: string) => StoreOfBucket | null;
  readonly spool: SpoolFilesDirectory;
  readonly builder: Pick<ObjectBuilder, 'build' | 'tidy'>;
  readonly metrics: UploaderMetrics;
  readonly readiness: Readiness;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Null or absent: nothing is traced. */
  readonly tracing?: Tracing | null;
  /** A signal that aborts after this time. */
  readonly timeout: (ms: number) => AbortSignal;
}

export interface ComposedUploader {
  /**
   * Tries one upload from the common queue. Throws what made it fail: the queue retries it.
   * @param signal aborts when another worker may have taken the job over
   */
  readonly upload: (lane: number, segmentId: string, signal: AbortSignal) => Promise<void>;
  /** The same for a spilled segment. */
  readonly uploadSpilled: (lane: number, segmentId: string, signal: AbortSignal) => Promise<void>;
  /** Tries the bucket, as `tryBucket` says. */
  readonly tryBucket: (stop: AbortSignal, onTried: () => void) => Promise<void>;
  /** Sweeps and writes manifests until `stop`. */
  readonly runUntil: (stop: AbortSignal) => Promise<void>;
  /** Continues until nothing is left to upload, as `Sweeper.drain` says. */
  readonly drain: (drainMs: number) => Promise<'empty' | 'left'>;
  /** Closes the stores of other buckets. */
  readonly closeStores: () => void;
}

/** Wires an uploader: the product, its tests and the model of the protocol use this, each with its own ports. */
export function composeUploader(ports: UploaderPorts, settings: UploaderSettings): ComposedUploader {
  const { jobs, spilled, spool, log } = ports;
  const queues = spilled === null ? [jobs] : [jobs, spilled.jobs];
  const health = new UploadHealth(ports);
  const spoolFiles = new SpoolFiles(spool, ({ id, key, trace }, problem) => {
    const fields = traceFields(parseSegmentTrace(trace)?.seal);
    log.warn({ segmentId: id, key, problem, ...fields }, 'spool file not usable');
  });
  const { bucket, place } = settings;
  const stores = new Stores({ bucket, own: { store: ports.store, place }, open: ports.openStore });
  const uploads = new Uploads({ ...ports, stores, spool: spoolFiles, queues, health }, settings);
  const spoolWatch = spilled && new SpoolWatch({ ...ports, spoolId: spilled.spoolId, jobs: spilled.jobs }, settings);
  const sweeper = new Sweeper({ ...ports, queues, health, uploads, spoolWatch, stores }, settings);
  const manifests = new Manifests({ ...ports, stores }, settings);
  return {
    upload: (lane, segmentId, signal) => uploads.upload(lane, segmentId, signal),
    uploadSpilled: (lane, segmentId, signal) => uploads.uploadSpilled(lane, segmentId, signal),
    tryBucket: async (stop, onTried) => {
      if (settings.trial === null) onTried();
      else await tryBucket({ ...ports, health }, settings.trial, stop, onTried);
    },
    runUntil: async (stop) => {
      await Promise.all([sweeper.runUntil(stop), manifests.writeUntil(stop)]);
    },
    drain: (drainMs) => sweeper.drain(drainMs),
    closeStores: () => stores.close(),
  };
}

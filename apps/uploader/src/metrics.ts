import { Counter, Gauge, Histogram, type Registry } from '@sink/runtime';
import type { FailureKind } from './upload/failure.ts';

/** `stored`: this try wrote the object; `existed`: an earlier one had; `gone`: committed before; `failed`: tried again. */
export type UploadOutcome = 'stored' | 'existed' | 'gone' | 'failed';
/** `stored`: this try wrote the manifest; `existed`: an earlier one had; `failed`: tried again. */
export type ManifestOutcome = 'stored' | 'existed' | 'failed';

/** What the uploader tells Prometheus. */
export class UploaderMetrics {
  readonly sealedWaiting: Gauge<'lane'>;
  readonly spilledWaiting: Gauge<'lane'>;
  readonly unattended: Gauge;
  readonly parked: Gauge;
  readonly jobs: Gauge<'state'>;
  readonly uploads: Counter<'result'>;
  readonly uploadSeconds: Histogram;
  readonly bytes: Counter;
  readonly events: Counter;
  readonly acceptedToStoredSeconds: Histogram;
  readonly retries: Counter<'kind'>;
  readonly rebuilt: Counter;
  readonly jobsRestored: Counter;
  readonly manifests: Counter<'result'>;
  readonly unlisted: Gauge<'lane'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.sealedWaiting = new Gauge({
      name: 'sink_segments_sealed_waiting',
      help: 'Sealed segments that are not committed yet.',
      labelNames: ['lane'],
      registers,
    });
    this.spilledWaiting = new Gauge({
      name: 'sink_segments_spilled_waiting',
      help: 'Spilled segments of all spool directories that are not committed yet.',
      labelNames: ['lane'],
      registers,
    });
    this.unattended = new Gauge({
      name: 'sink_segments_spilled_unattended',
      help: 'Spilled segments in spool directories on which no uploader runs.',
      registers,
    });
    this.parked = new Gauge({
      name: 'sink_uploads_parked',
      help: 'Sealed segments whose upload needs an operator, as far as this uploader knows.',
      registers,
    });
    this.jobs = new Gauge({
      name: 'sink_upload_jobs',
      help: 'Upload jobs, by state.',
      labelNames: ['state'],
      registers,
    });
    this.uploads = new Counter({
      name: 'sink_uploads_total',
      help: 'Attempts to upload a segment, by result.',
      labelNames: ['result'],
      registers,
    });
    this.uploadSeconds = new Histogram({
      name: 'sink_upload_seconds',
      help: 'Seconds of one attempt to upload a segment, from reading the record to the commit.',
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300],
      registers,
    });
    this.bytes = new Counter({ name: 'sink_uploaded_bytes_total', help: 'Bytes of committed objects.', registers });
    this.events = new Counter({ name: 'sink_uploaded_events_total', help: 'Events in committed objects.', registers });
    this.acceptedToStoredSeconds = new Histogram({
      name: 'sink_accepted_to_stored_seconds',
      help: "Seconds from the acceptance of a segment's oldest event until its object is stored in the bucket.",
      buckets: [0.3, 1, 3, 10, 30, 60, 120, 300, 1_800, 7_200, 43_200],
      registers,
    });
    this.retries = new Counter({
      name: 'sink_upload_retries_total',
      help: 'Attempts to upload a segment that failed and are retried, by kind of failure.',
      labelNames: ['kind'],
      registers,
    });
    this.rebuilt = new Counter({
      name: 'sink_segments_rebuilt_total',
      help: 'Objects that were built from the chunks in Redis, because this uploader found no sound spool file.',
      registers,
    });
    this.jobsRestored = new Counter({
      name: 'sink_upload_jobs_restored_total',
      help: 'Upload jobs that the sweep restored because they were missing or had failed.',
      registers,
    });
    this.manifests = new Counter({
      name: 'sink_manifests_total',
      help: 'Attempts to write a manifest, by result.',
      labelNames: ['result'],
      registers,
    });
    this.unlisted = new Gauge({
      name: 'sink_objects_unlisted',
      help: 'Objects in the bucket that are not in a manifest yet. Only with manifests.',
      labelNames: ['lane'],
      registers,
    });
    for (const result of ['stored', 'existed', 'gone', 'failed'] satisfies UploadOutcome[]) {
      this.uploads.inc({ result }, 0);
    }
    for (const result of ['stored', 'existed', 'failed'] satisfies ManifestOutcome[]) {
      this.manifests.inc({ result }, 0);
    }
  }

  failed(kind: FailureKind): void {
    this.uploads.inc({ result: 'failed' satisfies UploadOutcome });
    this.retries.inc({ kind });
  }
}

import { Instruments, type Registry } from '@sink/runtime';
import { FAILURE_KINDS, type FailureKind } from './upload/failure.ts';

/** `stored`: this try wrote the object; `existed`: an earlier one had; `gone`: committed before; `failed`: tried again. */
export type UploadOutcome = 'stored' | 'existed' | 'gone' | 'failed';
/** `stored`: this try wrote the manifest; `existed`: an earlier one had; `failed`: tried again. */
export type ManifestOutcome = 'stored' | 'existed' | 'failed';

/** What the uploader counts and measures. */
export class UploaderMetrics extends Instruments {
  readonly sealedWaiting = this.gauge(
    'sink_segments_sealed_waiting',
    'Sealed segments that are not committed yet.',
    'lane',
  );
  readonly spilledWaiting = this.gauge(
    'sink_segments_spilled_waiting',
    'Spilled segments of all spool directories that are not committed yet.',
    'lane',
  );
  readonly oldestSealedAge = this.gauge(
    'sink_oldest_sealed_age_seconds',
    'Seconds since the oldest segment that is not committed was sealed, with spilled ones, as of the last sweep; 0 if there is none.',
    'lane',
  );
  readonly unattended = this.gauge(
    'sink_segments_spilled_unattended',
    'Spilled segments in spool directories on which no uploader runs.',
  );
  readonly parked = this.gauge(
    'sink_uploads_parked',
    'Sealed segments whose upload needs an operator, as far as this uploader knows.',
  );
  readonly jobs = this.gauge('sink_upload_jobs', 'Upload jobs, by state.', 'state');
  readonly uploads = this.counter('sink_uploads_total', 'Attempts to upload a segment, by result.', 'result');
  readonly uploadSeconds = this.histogram(
    'sink_upload_seconds',
    'Seconds of one attempt to upload a segment, from reading the record to the commit.',
    [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300],
  );
  readonly bytes = this.counter('sink_uploaded_bytes_total', 'Bytes of committed objects.');
  readonly events = this.counter('sink_uploaded_events_total', 'Events in committed objects.');
  readonly acceptedToStoredSeconds = this.histogram(
    'sink_accepted_to_stored_seconds',
    "Seconds from the acceptance of a segment's oldest event until its object is stored in the bucket.",
    [0.3, 1, 3, 10, 30, 60, 120, 300, 1_800, 7_200, 43_200],
  );
  readonly interval = this.gauge(
    'sink_scheduled_interval_seconds',
    'The scheduled_interval in force: how long after its first event an object is closed that is not full.',
  );
  readonly retries = this.counter(
    'sink_upload_retries_total',
    'Attempts to upload a segment that failed and are retried, by kind of failure.',
    'kind',
  );
  readonly rebuilt = this.counter(
    'sink_segments_rebuilt_total',
    'Objects that were built from the chunks in Redis, because this uploader found no sound spool file.',
  );
  readonly jobsRestored = this.counter(
    'sink_upload_jobs_restored_total',
    'Upload jobs that the sweep restored because they were missing or had failed.',
  );
  readonly manifests = this.counter('sink_manifests_total', 'Attempts to write a manifest, by result.', 'result');
  readonly unlisted = this.gauge(
    'sink_objects_unlisted',
    'Objects in the bucket that are not in a manifest yet. Only with manifests.',
    'lane',
  );

  constructor(registry: Registry) {
    super(registry);
    for (const result of ['stored', 'existed', 'gone', 'failed'] satisfies UploadOutcome[]) {
      this.uploads.inc({ result }, 0);
    }
    for (const kind of FAILURE_KINDS) this.retries.inc({ kind }, 0);
    for (const result of ['stored', 'existed', 'failed'] satisfies ManifestOutcome[]) {
      this.manifests.inc({ result }, 0);
    }
  }

  failed(kind: FailureKind): void {
    this.uploads.inc({ result: 'failed' satisfies UploadOutcome });
    this.retries.inc({ kind });
  }
}

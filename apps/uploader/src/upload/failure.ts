import { ReceiptUnreadable, RecordUnreadable } from '@sink/domain';
import { RedisFailure, RedisRefused, UnexpectedAnswer } from '@sink/lane';
import { ObjectStoreError } from '@sink/objects';
import { SpoolError } from '@sink/spool';
import type { RetryPace } from '@sink/uploads';
import { ChunkMissing, RebuiltContentDiffers } from './rebuild.ts';
import { BucketOutOfReach } from './stores.ts';
import { SegmentRedirected, SpilledFileMissing } from './upload-segment.ts';

/**
 * What a failed upload means. `operator`: no object gets into the bucket until an operator acts; `segment`: this one does
 * not; `manifests`: the object is stored but not committed, because too many objects wait for their manifests; `store`: the
 * bucket is unavailable; `throttled`: it asks for fewer requests; `redis`, `disk`: the sink's own fail; `aborted`: the
 * uploader ended the try itself. A bounded set, fit for metric labels.
 */
export const FAILURE_KINDS = [
  'operator',
  'segment',
  'manifests',
  'store',
  'throttled',
  'redis',
  'disk',
  'aborted',
  'unexpected',
] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

export interface UploadFailure {
  readonly kind: FailureKind;
  readonly code: string;
  readonly pace: RetryPace;
  readonly message: string;
  /** What an operator can do. Every failure that needs an operator has one, and so have some others. */
  readonly remedy?: string;
}

/** Of the store's errors that need an operator, those that concern one object and not the bucket. */
const ONE_OBJECT: readonly string[] = ['key_taken', 'bad_key', 'too_large'];

const BROKEN =
  'This must not happen. Nothing is deleted, and the uploader retries for ever; keep the Redis data and the spool, and report it.';

const BRING_BACK =
  'That file has the only copy of these events: bring it back, with the disk it was on. The uploader retries for ever.';

const OTHER_BUCKET =
  'Set `bucket` to that bucket, or to one of its kind, until these segments are stored. The uploader retries for ever.';

const LIST_FIRST =
  'Too many objects wait for their manifests: see why the uploaders do not write them (`manifests` in `/readyz`, and their log). Uploads continue as soon as they do.';

/** Classifies by type and code; an unknown failure is retried slowly, because its cost is unknown. */
export function classify(error: unknown): UploadFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ObjectStoreError) return { ...ofStore(error), message };
  if (error instanceof RedisRefused && error.code === 'UNLISTED') {
    // Slow, because each try puts the whole object before its commit is refused.
    return { kind: 'manifests', code: error.code, pace: 'slow', message, remedy: LIST_FIRST };
  }
  if (error instanceof RedisFailure) {
    return { kind: 'redis', code: error.code, pace: 'ordinary', message };
  }
  if (error instanceof RecordUnreadable && error.code === 'record_version') {
    const remedy = 'A newer release sealed this segment. Upgrade this uploader, or let a newer one upload it.';
    return { kind: 'segment', code: error.code, pace: 'slow', message, remedy };
  }
  if (error instanceof ReceiptUnreadable && error.code === 'receipt_version') {
    const remedy =
      'A newer release committed this object. Upgrade this uploader, or let a newer one write the manifest.';
    return { kind: 'segment', code: error.code, pace: 'slow', message, remedy };
  }
  if (
    error instanceof RecordUnreadable ||
    error instanceof ReceiptUnreadable ||
    error instanceof ChunkMissing ||
    error instanceof RebuiltContentDiffers ||
    error instanceof UnexpectedAnswer
  ) {
    return { kind: 'segment', code: error.code, pace: 'slow', message, remedy: BROKEN };
  }
  if (error instanceof SegmentRedirected) {
    return { kind: 'aborted', code: error.code, pace: 'ordinary', message };
  }
  if (error instanceof BucketOutOfReach) {
    return { kind: 'segment', code: error.code, pace: 'slow', message, remedy: OTHER_BUCKET };
  }
  if (error instanceof SpilledFileMissing) {
    const unseen = error.cause instanceof ObjectStoreError ? ` ${error.cause.remedy ?? ''}` : '';
    return { kind: 'segment', code: error.code, pace: 'slow', message, remedy: `${BRING_BACK}${unseen}` };
  }
  if (error instanceof SpoolError) {
    const remedy = 'Make room below data_dir, and make it writable: segments are rebuilt there.';
    return { kind: 'disk', code: error.code, pace: 'slow', message, remedy };
  }
  return { kind: 'unexpected', code: 'unexpected', pace: 'slow', message };
}

/** Whether the upload succeeds only after an operator acts. */
export function needsOperator({ pace, remedy }: UploadFailure): boolean {
  return pace === 'slow' && remedy !== undefined;
}

function ofStore(error: ObjectStoreError): Omit<UploadFailure, 'message'> {
  const { code, kind } = error;
  const remedy = error.remedy === undefined ? {} : { remedy: error.remedy };
  if (code === 'aborted') return { kind: 'aborted', code, pace: 'ordinary' };
  switch (kind) {
    case 'operator':
      return { kind: ONE_OBJECT.includes(code) ? 'segment' : 'operator', code, pace: 'slow', ...remedy };
    case 'throttled':
      return { kind: 'throttled', code, pace: 'ordinary', ...remedy };
    case 'transient':
    case 'damaged':
      return { kind: 'store', code, pace: 'ordinary', ...remedy };
  }
}

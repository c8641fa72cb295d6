import { ReceiptUnreadable, RecordUnreadable } from '@sink/domain';
import { RedisFailure, RedisRefused, UnexpectedAnswer } from '@sink/lane';
import { ObjectStoreError } from '@sink/objects';
import { SpoolError } from '@sink/spool';
import type { RetryPace } from '@sink/uploads';
import { ChunkMissing, RebuiltContentDiffers } from './rebuild.ts';
import { SpilledFileMissing } from './spilled-file-missing.ts';

/**
 * What a failed upload means. `operator`: no object gets into the bucket before a person does something; `segment`: this
 * one does not; `manifests`: it stands there and is not committed, because too many wait for their manifests; `store` and
 * `throttled`: the bucket is away or asks for less; `redis`, `disk`: ours is; `aborted`: we ended it ourselves. A bounded
 * set, fit for metric labels.
 */
export type FailureKind =
  'operator' | 'segment' | 'manifests' | 'store' | 'throttled' | 'redis' | 'disk' | 'aborted' | 'unexpected';

export interface UploadFailure {
  readonly kind: FailureKind;
  readonly code: string;
  readonly pace: RetryPace;
  readonly message: string;
  /** What a person can do; with every failure that waits for one, and some that may pass by themselves. */
  readonly remedy?: string;
}

/** Of the store's errors for a person, those that concern one object, not the bucket. */
const ONE_OBJECT: readonly string[] = ['key_taken', 'bad_key', 'too_large'];

const BROKEN =
  'This must not happen. Nothing is deleted and it is tried again for ever; keep the Redis data and the spool, and report it.';

const BRING_BACK =
  'These events stand in that file alone: bring it back, with the disk it was on. It is tried again for ever, and goes on by itself.';

const LIST_FIRST =
  'Too many objects wait for their manifests: see why those are not written (`manifests` in `/readyz` and in the log of the uploaders). It goes on by itself when they are.';

/** Classifies by type and code; anything unknown is tried again slowly, because nobody knows what it costs. */
export function classify(error: unknown): UploadFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ObjectStoreError) return { ...ofStore(error), message };
  if (error instanceof RedisRefused && error.code === 'UNLISTED') {
    // Each try puts the object again before it is refused.
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
  if (error instanceof SpilledFileMissing) {
    return { kind: 'segment', code: error.code, pace: 'slow', message, remedy: BRING_BACK };
  }
  if (error instanceof SpoolError) {
    const remedy = 'Make room below data_dir, and make it writable: segments are rebuilt there.';
    return { kind: 'disk', code: error.code, pace: 'slow', message, remedy };
  }
  return { kind: 'unexpected', code: 'unexpected', pace: 'slow', message };
}

/** Whether it goes on only after a person did something. */
export function needsPerson({ pace, remedy }: UploadFailure): boolean {
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

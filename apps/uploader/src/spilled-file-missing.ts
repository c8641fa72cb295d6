import type { SpilledRecord } from '@sink/domain';

/** The file that holds a spilled segment's only copy is not there, or damaged, and its object is not in the bucket. */
export class SpilledFileMissing extends Error {
  readonly code = 'spilled_missing';
  readonly retryable = true;
  constructor({ id, key, spool, spoolId, count }: SpilledRecord) {
    super(
      `uploading spilled segment ${id} [key=${key}, events=${count}]: there is no sound file spool/${spool}/${id}.spilled in spool directory ${spoolId}, and no object`,
    );
    this.name = 'SpilledFileMissing';
  }
}

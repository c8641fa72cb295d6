/**
 * What a retry of a quarantined event leaves in the bucket. `begun` is put before anything is stored, and holds what is
 * needed to go on with the same retry; `stored` is put after it.
 */
export type RetryState = 'begun' | 'stored';

export interface RetryMarkerName {
  /** Of the evidence. */
  readonly id: string;
  /** From 1. A further one begins only when an operator says so. */
  readonly attempt: number;
  readonly state: RetryState;
}

/** The folder of all markers, below `quarantine_prefix`. Query engines skip names that begin with an underscore. */
export const RETRIES_FOLDER = '_retries/';

const EVIDENCE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NAME = /^_retries\/([0-9a-f-]{36})-(\d{1,6})-(begun|stored)\.json$/;

/** The keys of all markers of one event begin with it. Markers are in the order of their evidence. */
export function retryMarkerStart(quarantinePrefix: string, id: string): string {
  return `${quarantinePrefix}${RETRIES_FOLDER}${id}-`;
}

export function retryMarkerKey(quarantinePrefix: string, { id, attempt, state }: RetryMarkerName): string {
  return `${retryMarkerStart(quarantinePrefix, id)}${attempt}-${state}.json`;
}

/** The reverse of retryMarkerKey; null for other keys. */
export function parseRetryMarkerKey(quarantinePrefix: string, key: string): RetryMarkerName | null {
  const match = key.startsWith(quarantinePrefix) ? NAME.exec(key.slice(quarantinePrefix.length)) : null;
  const [, id = '', attempt, state] = match ?? [];
  if (!isEvidenceId(id)) return null;
  return { id, attempt: Number(attempt), state: state === 'begun' ? 'begun' : 'stored' };
}

/** Whether the text is an id that `evidenceId` makes. */
export function isEvidenceId(text: string): boolean {
  return EVIDENCE_ID.test(text);
}

/** When the event with this id was refused: Unix time in milliseconds. */
export function evidenceTimeMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

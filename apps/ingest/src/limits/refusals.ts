import type { Refusal } from '../http/answers.ts';
import type { Exceeded, Limits } from './producer-limits.ts';

/** A part of the wait, but at least a second, is added at random: else all refused clients come back at the same moment. */
const JITTER_PART = 1 / 4;
const JITTER_SECONDS_MIN = 1;

export interface RefusalOfLimit extends Refusal {
  readonly retryAfterSeconds: number;
}

/** The answer to a request beyond a limit. @param random 0 to 1 */
export function limitExceeded(
  { name, limits }: { readonly name: string; readonly limits: Limits },
  { limit, waitMs }: Exceeded,
  random: number,
): RefusalOfLimit {
  const seconds = waitMs / 1000;
  const retryAfterSeconds = Math.ceil(seconds + random * Math.max(JITTER_SECONDS_MIN, seconds * JITTER_PART));
  const most = {
    events_per_second: limits.eventsPerSecond,
    bytes_per_second: limits.bytesPerSecond,
    requests_in_flight: limits.requestsInFlight,
  }[limit];
  return {
    status: 429,
    reason: limit,
    message: `the limit of producer ${name} is reached (${limit}: ${most}): nothing of this request was stored`,
    headers: { 'Retry-After': String(Math.max(1, retryAfterSeconds)) },
    retryAfterSeconds: Math.max(1, retryAfterSeconds),
  };
}

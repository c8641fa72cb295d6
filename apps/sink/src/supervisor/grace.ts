import { childStopGrace } from '@sink/runtime';
import type { ServiceName } from './service-command.ts';

/** Redis ends last and quickly: it only closes a file that is fsynced already. */
const REDIS_SHARE = 0.08;
/** Of what a service has until it is killed. */
const OWN_GRACE_SHARE = 0.95;

/**
 * When, counted from the beginning of the stop, each service is to be gone. A service that is quick leaves its time to
 * the ones after it: the batcher flushes what ingest took, the uploader sends what the batcher sealed.
 */
export function stopDeadlinesMs(stopGraceMs: number): Readonly<Record<ServiceName | 'redis', number>> {
  return {
    ingest: Math.floor(stopGraceMs * 0.3),
    batcher: Math.floor(stopGraceMs * 0.6),
    uploader: Math.floor(stopGraceMs * (1 - REDIS_SHARE)),
    redis: stopGraceMs,
  };
}

/** The `stop_grace` a service gets itself: a little less, so that it ends in order just before it would be killed. */
export function ownStopGrace(deadlineMs: number): string {
  return childStopGrace(deadlineMs, OWN_GRACE_SHARE);
}

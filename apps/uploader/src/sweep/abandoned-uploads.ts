import { laneUidOfKey } from '@sink/domain';
import type { UploaderLane } from '@sink/lane';
import type { UploaderPorts } from '../compose.ts';
import type { UploaderSettings } from '../settings.ts';
import type { Stores } from '../upload/stores.ts';

/** No attempt to put an object takes so long. */
const AGE_MS = 86_400_000;
const TIMEOUT_MS = 60_000;

/**
 * Aborts uploads in parts whose uploader ended in the middle: their parts would be paid for, and are no object. Only those of
 * this sink's lanes, whose ids are random, and only after a day.
 */
export async function abortAbandonedUploads(
  { stores, log, clock, timeout }: Pick<UploaderPorts, 'log' | 'clock' | 'timeout'> & { readonly stores: Stores },
  { routes }: Pick<UploaderSettings, 'routes'>,
  lanes: readonly UploaderLane[],
  stop: AbortSignal,
): Promise<void> {
  let uids: ReadonlySet<string | null> | undefined;
  for (const [route, { bucket, prefix, storedAs }] of routes) {
    // What was of a retired route is in the bucket of its target.
    if (storedAs !== undefined) continue;
    try {
      const known = (uids ??= new Set(await Promise.all(lanes.map((lane) => lane.uid()))));
      const { store } = stores.ofDestination({ bucket, route }) ?? {};
      const which = {
        prefix,
        isOurs: (key: string) => known.has(laneUidOfKey(key) ?? ''), // rule: abandoned.ours
        beforeMs: clock.wallMs() - AGE_MS,
      };
      const uploads = await store?.abortAbandoned?.(which, AbortSignal.any([stop, timeout(TIMEOUT_MS)]));
      if (uploads !== undefined && uploads > 0) log.info({ objects: uploads }, 'abandoned uploads in parts aborted');
    } catch (err) {
      if (!stop.aborted) log.warn({ err }, 'aborting abandoned uploads in parts failed; the uploader retries it later');
    }
  }
}

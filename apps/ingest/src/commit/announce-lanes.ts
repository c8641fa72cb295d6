import { RedisFailure, type RedisPort, rememberLanes } from '@sink/lane';
import type { Clock, Readiness } from '@sink/runtime';

const RETRY_WAIT_MS = 250;

export interface AnnouncePorts {
  readonly redis: RedisPort;
  readonly readiness: Pick<Readiness, 'set'>;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly signal: AbortSignal;
}

/**
 * Says which lanes events will go to, before the first one does: who drains learns of them from there. For as long as it
 * takes: Redis may go away at any moment of a start.
 *
 * @throws the reason of `signal` when it aborts
 */
export async function announceLanes(sinkName: string, lanes: number, ports: AnnouncePorts): Promise<void> {
  const { redis, readiness, clock, signal } = ports;
  for (;;) {
    signal.throwIfAborted();
    try {
      await rememberLanes(redis, sinkName, lanes);
      readiness.set('redis', null);
      return;
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error;
      readiness.set('redis', `the lanes could not be announced: ${error.message}`);
    }
    await clock.sleep(RETRY_WAIT_MS, signal);
  }
}

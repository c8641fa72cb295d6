import { backoffMs } from '@sink/domain';
import { RedisFailure, type RedisPort, rememberLanes } from '@sink/lane';
import type { Clock, Readiness } from '@sink/runtime';

const RETRY = { baseMs: 250, capMs: 2_000, floorMs: 100 };

export interface AnnouncePorts {
  readonly redis: RedisPort;
  readonly readiness: Pick<Readiness, 'set'>;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * Registers the lanes that this ingest will use, before the first event goes there: batchers find lanes by this entry. It
 * tries until it succeeds, because Redis may go away at any moment of a start.
 *
 * @throws the reason of `signal` when it aborts
 */
export async function announceLanes(sinkName: string, lanes: number, ports: AnnouncePorts): Promise<void> {
  const { redis, readiness, clock, random, signal } = ports;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      await rememberLanes(redis, sinkName, lanes);
      readiness.set('redis', null);
      return;
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error;
      readiness.set('redis', `registering the lanes fails: ${error.message}`);
    }
    await clock.sleep(backoffMs(attempt, RETRY, random()), signal);
  }
}

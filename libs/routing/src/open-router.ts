import { isPlainLayout, layoutOf, type SinkConfig } from '@sink/config';
import { DEFAULT_ROUTE } from '@sink/domain';
import { Router, type Routing } from './router.ts';

/**
 * Null: every event goes to the hour or day of its acceptance, in UTC, as appends have it by themselves.
 * @param live may change while the router is used
 */
export function openRouter(config: SinkConfig, live: Pick<SinkConfig, 'scheduledIntervalMs'>): Routing | null {
  if (isPlainLayout(config) && config.partitionTime === 'accepted') return null;
  const { lateAfterMs, earlyAfterMs } = config;
  const way = {
    route: DEFAULT_ROUTE,
    layout: layoutOf(config),
    eventTime: config.partitionTime === 'event' ? { lateAfterMs, earlyAfterMs } : null,
    knownMs: () => live.scheduledIntervalMs,
  };
  return new Router(way, config.maxPartitions);
}

import { configOfRoute, isPlainLayout, layoutOf, type SinkConfig } from '@sink/config';
import { DEFAULT_ROUTE } from '@sink/domain';
import { Router, type Routing } from './router.ts';
import type { WaySettings } from './way.ts';

/**
 * Null: every event goes to the hour or day of its acceptance, in UTC, as appends have it by themselves.
 * @param live may change while the router is used
 * @param failed told of each error of a filter's expression
 */
export function openRouter(
  config: SinkConfig,
  live: Pick<SinkConfig, 'scheduledIntervalMs'>,
  failed: (route: string) => void = () => undefined,
): Routing | null {
  if (config.routes.length === 0 && isPlainLayout(config) && config.partitionTime === 'accepted') return null;
  const routes = config.routes.map((route) => {
    const { name, filter, drop, own } = route;
    const knownMs = (): number => own.scheduledIntervalMs ?? live.scheduledIntervalMs;
    return { name, filter, way: drop ? null : wayOf(name, configOfRoute(config, route), knownMs) };
  });
  const way = wayOf(DEFAULT_ROUTE, config, () => live.scheduledIntervalMs);
  return new Router(way, config.maxPartitions, routes, failed);
}

function wayOf(route: string, config: SinkConfig, knownMs: () => number): WaySettings {
  const { lateAfterMs, earlyAfterMs } = config;
  const eventTime = config.partitionTime === 'event' ? { lateAfterMs, earlyAfterMs } : null;
  return { route, layout: layoutOf(config), eventTime, knownMs };
}

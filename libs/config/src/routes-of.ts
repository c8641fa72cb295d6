import { builtInRoutes, DEFAULT_ROUTE, type RouteRules, type Routes } from '@sink/domain';
import { bucketName } from './resolve-bucket.ts';
import { configOfRoute, type RouteSettings } from './resolve-routes.ts';
import { endsWithSlot, isPlainLayout, layoutOf } from './resolve-paths.ts';
import type { SinkConfig } from './sink-config.ts';

/** The routes of a sink: those that every sink has, and those of its configuration that store events; one that is retired has the rules of its target. */
export function routesOf(config: SinkConfig): Routes {
  const { bucket, prefix, quarantinePrefix } = config;
  const own = config.routes.filter(({ drop }) => !drop).map((route) => [route.name, rulesOf(config, route)] as const);
  const builtIn = builtInRoutes({ bucket: bucketName(bucket), prefix, quarantinePrefix });
  const kept = keptWith(config);
  const known = new Map([...[...builtIn].map(([name, rules]) => [name, { ...rules, ...kept }] as const), ...own]);
  const rulesOfDefault = known.get(DEFAULT_ROUTE);
  if (rulesOfDefault !== undefined) known.set(DEFAULT_ROUTE, { ...rulesOfDefault, ...slotsOf(config) });
  const retired = Object.entries(config.routesRetired).flatMap(([name, target]) => {
    const rules = known.get(target);
    return rules === undefined ? [] : [[name, { ...rules, storedAs: target }] as const];
  });
  return new Map([...known, ...retired]);
}

/** What is kept with each object: fixed when it is closed. */
function keptWith({
  tags,
  metadata,
  objectLockForMs,
}: SinkConfig): Pick<RouteRules, 'tags' | 'metadata' | 'lockForMs'> {
  return {
    ...(isEmpty(tags) ? {} : { tags }),
    ...(isEmpty(metadata) ? {} : { metadata }),
    ...(objectLockForMs === 0 ? {} : { lockForMs: objectLockForMs }),
  };
}

/** Whether its paths end, and when. Releases before templates have the hours and days of `partitionSpan`. */
function slotsOf(config: SinkConfig): Pick<RouteRules, 'endsWithSlot' | 'slotSpan'> {
  if (!endsWithSlot(config)) return { endsWithSlot: false };
  if (isPlainLayout(config)) return { endsWithSlot: true };
  const layout = layoutOf(config);
  return { endsWithSlot: true, slotSpan: (path) => layout.parse(path)?.span ?? null };
}

function isEmpty(texts: Readonly<Record<string, string>> | null): texts is null {
  return texts === null || Object.keys(texts).length === 0;
}

function rulesOf(config: SinkConfig, route: RouteSettings): RouteRules {
  const ofRoute = configOfRoute(config, route);
  const { bucket, prefix } = ofRoute;
  const {
    flushSize,
    flushBytes,
    targetObjectSize,
    scheduledIntervalMs,
    idleIntervalMs,
    compression,
    compressionLevel,
  } = route.own;
  return {
    bucket: bucketName(bucket),
    prefix,
    ...slotsOf(ofRoute),
    ...keptWith(ofRoute),
    ...(flushSize !== undefined && { flushSize }),
    ...(flushBytes !== undefined && { flushBytes }),
    ...(targetObjectSize !== undefined && { targetObjectBytes: targetObjectSize }),
    ...(scheduledIntervalMs !== undefined && { scheduledIntervalMs }),
    ...(idleIntervalMs !== undefined && { idleIntervalMs }),
    ...(compression !== undefined && { compression }),
    ...(compressionLevel !== undefined && { compressionLevel }),
  };
}

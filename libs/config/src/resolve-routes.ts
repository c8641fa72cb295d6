import { checkFilter } from '@sink/cesql';
import { DEFAULT_ROUTE } from '@sink/domain';
import { camelCase } from './camel-case.ts';
import { type GivenSettings, Problems } from './problems.ts';
import { isPathPreset } from '@sink/layout';
import { mistakeInPath } from './resolve-paths.ts';
import { type BucketSources, resolveBucket, warnOfPrefix } from './resolve-bucket.ts';
import { checkPutOfRoute } from './resolve-put.ts';
import { GZIP_LEVEL_MAX, PREFIX_BYTES_MAX } from './resolve.ts';
import { type FilterSpec, type GivenRoute, type OwnValues, routeKeys } from './routes.ts';
import type { Settings } from './settings.ts';
import { unboundedSizes } from './size-keys.ts';
import type { BucketSettings, SinkConfig } from './sink-config.ts';

/** One of `routes`. */
export interface RouteSettings {
  readonly name: string;
  /** Null: every event matches. */
  readonly filter: FilterSpec | null;
  /** Events are acknowledged and not stored. */
  readonly drop: boolean;
  /** What the route says itself. All else is that of the top level, also when that changes in a running sink. */
  readonly own: OwnValues & { readonly bucket?: BucketSettings };
}

/** The configuration as it is for the events of a route. */
export function configOfRoute(config: SinkConfig, { own }: RouteSettings): SinkConfig {
  const { compressionLevel, ...rest } = config;
  // The level of one codec says nothing about another.
  const level = own.compression !== undefined || compressionLevel === undefined ? {} : { compressionLevel };
  // Nor does the key of one encryption about another.
  const keys = own.sse === undefined ? {} : { sseKmsKeyId: null, sseBucketKey: null };
  return { ...rest, ...level, ...keys, ...own };
}

/** The same by the name of a route, or of one that is retired; that of the top level for the built-in routes, and for one that is gone. */
export function configOfRouteNamed(config: SinkConfig, name: string): SinkConfig {
  const stored = config.routesRetired[name] ?? name;
  const route = config.routes.find((one) => one.name === stored);
  return route === undefined ? config : configOfRoute(config, route);
}

/** Adds mistakes in `routes_retired` to `problems`. */
export function checkRetired(settings: Settings, problems: Problems): void {
  const routes = new Map((settings.routes ?? []).map(({ name, drop }) => [name, drop ?? false]));
  for (const [name, target] of Object.entries(settings.routes_retired ?? {})) {
    if (routes.get(name) === false) {
      const allowed = 'a name that is not in routes, or that of a route with drop: true, which stores nothing';
      problems.addInside('routes_retired', `.${name}`, target, allowed);
    } else if (target !== DEFAULT_ROUTE && routes.get(target) !== false) {
      problems.addInside(
        'routes_retired',
        `.${name}`,
        target,
        'the name of one of routes that stores events, or _default',
      );
    }
  }
}

/** The routes of the settings. Adds mistakes to `problems`; the result is then invalid. */
export function resolveRoutes(
  settings: Settings,
  given: GivenSettings,
  sources: BucketSources,
  problems: Problems,
  warnings: string[],
): readonly RouteSettings[] {
  return (settings.routes ?? []).map((route, index) => {
    checkCompression(settings, route, index, problems);
    checkFilterOf(route, index, problems);
    checkPrefix(route, index, problems, warnings);
    checkPath(settings, route, index, problems);
    checkPutOfRoute(settings, route, index, problems);
    const bucket = bucketOf(settings, given, route, index, sources, problems);
    return {
      name: route.name,
      filter: route.filter ?? null,
      drop: route.drop ?? false,
      own: { ...sizesOf(route, given), ...ownValues(route), ...(bucket === null ? {} : { bucket }) },
    };
  });
}

/** With a target of its own, a route is bounded by events and bytes only if that is said here or at the top level. */
function sizesOf({ target_object_size: target }: GivenRoute, given: GivenSettings): OwnValues {
  return target === undefined ? {} : unboundedSizes([...given.keys()]);
}

/** The cast states what the expression does. */
function ownValues(route: GivenRoute): OwnValues {
  const values = Object.entries(routeKeys).flatMap(([key, { unit }]) => {
    const value: unknown = Reflect.get(route, key);
    return key === 'bucket' || value === undefined ? [] : [[camelCase(key) + unit, value] as const];
  });
  return Object.fromEntries(values);
}

function bucketOf(
  settings: Settings,
  given: GivenSettings,
  { bucket, aws }: GivenRoute,
  index: number,
  sources: BucketSources,
  problems: Problems,
): BucketSettings | null {
  const name = bucket ?? (aws === undefined ? undefined : settings.bucket);
  if (name === undefined && aws === undefined) return null;
  const found = new Problems(given);
  const own = aws === undefined ? undefined : { at: `routes[${index}].aws`, values: aws };
  const resolved = resolveBucket({ ...settings, bucket: name }, sources, found, [], own);
  for (const problem of found.all()) {
    if (problem.key === 'bucket' && bucket !== undefined) {
      problems.addInside('routes', `[${index}].bucket`, bucket, problem.allowed);
    } else if (!problems.has(problem.key)) problems.addOther(problem);
  }
  if (aws !== undefined && resolved.kind === 'file') {
    const keys = Object.keys(aws).join(', ');
    const allowed = 'only for a bucket of S3 (`bucket`)';
    problems.addOther({ key: `routes[${index}].aws`, given: `a mapping with ${keys}`, allowed });
  }
  return resolved;
}

function checkCompression(settings: Settings, route: GivenRoute, index: number, problems: Problems): void {
  const level = route.compression_level ?? 1;
  if ((route.compression ?? settings.compression) !== 'gzip' || level <= GZIP_LEVEL_MAX) return;
  const allowed = `1 to ${GZIP_LEVEL_MAX} with compression: gzip`;
  problems.addInside('routes', `[${index}].compression_level`, level, allowed);
}

function checkPath(settings: Settings, route: GivenRoute, index: number, problems: Problems): void {
  const { path, time_interval: timeInterval, time_zone: timeZone, prefix } = { ...settings, ...defined(route) };
  const { time_interval: own } = route;
  if (own !== undefined && !isPathPreset(path)) {
    const allowed = 'nothing beside a template, in which {time:…} says it';
    problems.addInside('routes', `[${index}].time_interval`, own, allowed);
  }
  const mistake = mistakeInPath({ path, timeInterval, timeZone }, prefix);
  // A mistake of the top level is told there.
  if (mistake === null || Object.keys(defined(route)).length === 0) return;
  problems.addInside('routes', `[${index}].${mistake.key}`, mistake.key === 'path' ? path : timeZone, mistake.allowed);
}

/** The keys of a path that a route says itself. */
function defined({
  path,
  time_interval: timeInterval,
  time_zone: timeZone,
  prefix,
}: GivenRoute): Partial<Pick<Settings, 'path' | 'time_interval' | 'time_zone' | 'prefix'>> {
  return {
    ...(path !== undefined && { path }),
    ...(timeInterval !== undefined && { time_interval: timeInterval }),
    ...(timeZone !== undefined && { time_zone: timeZone }),
    ...(prefix !== undefined && { prefix }),
  };
}

function checkFilterOf({ filter }: GivenRoute, index: number, problems: Problems): void {
  if (filter === undefined) return;
  for (const { path, message } of checkFilter(filter)) {
    const inside = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
    const value = path.reduce<unknown>((at, step) => (at as Readonly<Record<string | number, unknown>>)[step], filter);
    problems.addInside('routes', `[${index}].filter${inside}`, value, message);
  }
}

function checkPrefix({ name, prefix }: GivenRoute, index: number, problems: Problems, warnings: string[]): void {
  if (prefix === undefined) return;
  if (Buffer.byteLength(prefix) > PREFIX_BYTES_MAX) {
    problems.addInside('routes', `[${index}].prefix`, prefix, `at most ${PREFIX_BYTES_MAX} bytes of UTF-8`);
  }
  warnOfPrefix(`the prefix of the route ${name}`, prefix, warnings);
}

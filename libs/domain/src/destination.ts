import { partitionSpan } from './partition.ts';

/** The route of events that no rule sends elsewhere. Names of built-in routes begin with `_`, and those of users never do. */
export const DEFAULT_ROUTE = '_default';
/** The route of evidence of what was refused. */
export const QUARANTINE_ROUTE = '_quarantine';

const USER_ROUTE = /^[a-z0-9-]{1,40}$/;
const SAFE_PATH = /^[A-Za-z0-9._~%=+-]+(?:\/[A-Za-z0-9._~%=+-]+)*$/;
/** Bytes of a path: what is left of the 1,024 of an S3 key is for the prefix and the object's name. */
export const PATH_BYTES_MAX = 900;

/** Where events go: a chunk, an open segment and a record are known by it (docs/adr/0026). */
export interface Destination {
  readonly route: string;
  /** The folder of its objects, below the prefix of the route: relative, without a `/` at either end. */
  readonly path: string;
}

/** Whether every sink has the route. It is put with the settings of the top level. */
export function isBuiltInRoute(route: string): boolean {
  return route === DEFAULT_ROUTE || route === QUARANTINE_ROUTE;
}

export function isRoute(route: string): boolean {
  return isBuiltInRoute(route) || USER_ROUTE.test(route);
}

/** Whether a path may become part of a key: no other text leads out of its folder, or cannot be read back. */
export function isSafePath(path: string): boolean {
  if (path.length > PATH_BYTES_MAX || !SAFE_PATH.test(path)) return false;
  return !path.split('/').some((segment) => segment === '.' || segment === '..');
}

/** Whether version 1 of a chunk and of a record can say it: the default route, and a slot of time in UTC. */
export function isPlain({ route, path }: Destination): boolean {
  return route === DEFAULT_ROUTE && partitionSpan(path) !== null;
}

/** A text for each destination, in which no two are the same. */
export function destinationKey({ route, path }: Destination): string {
  return `${route} ${path}`;
}

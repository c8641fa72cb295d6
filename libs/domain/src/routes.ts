import { DEFAULT_ROUTE, QUARANTINE_ROUTE } from './destination.ts';
import type { PutOptions } from './segment.ts';

/** Where and how the objects of a route are put. A record of version 2 fixes it. */
export interface RouteRules extends Pick<PutOptions, 'tags' | 'metadata'> {
  /** The name of a bucket, or the file:// address of a directory. */
  readonly bucket: string;
  /** The start of all keys. */
  readonly prefix: string;
  /** For how long after its seal the store locks an object; absent: not at all. */
  readonly lockForMs?: number;
}

/** The routes that a process knows, by name. It leaves all that has another route alone. */
export type Routes = ReadonlyMap<string, RouteRules>;

export function builtInRoutes({
  bucket,
  prefix,
  quarantinePrefix,
}: Pick<RouteRules, 'bucket' | 'prefix'> & { readonly quarantinePrefix: string }): Routes {
  return new Map([
    [DEFAULT_ROUTE, { bucket, prefix }],
    [QUARANTINE_ROUTE, { bucket, prefix: quarantinePrefix }],
  ]);
}

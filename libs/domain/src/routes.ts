import { DEFAULT_ROUTE, QUARANTINE_ROUTE } from './destination.ts';
import type { Compression } from './object-key.ts';
import type { PartitionSpan } from './partition.ts';
import type { PutOptions } from './segment.ts';

/** Where and how the objects of a route are made and put. A record of version 2 fixes it. */
export interface RouteRules extends Pick<PutOptions, 'tags' | 'metadata'>, RouteOverrides {
  /** The name of a bucket, or the file:// address of a directory. */
  readonly bucket: string;
  /** The start of all keys. */
  readonly prefix: string;
  /** For how long after its seal the store locks an object; absent: not at all. */
  readonly lockForMs?: number;
  /** The route as which its events are stored, because it is retired; absent: itself. */
  readonly storedAs?: string;
  /** Whether a path is a slot of time after which nothing more is accepted for it: its object is closed then. */
  readonly endsWithSlot: boolean;
  /** The slot that a path is; absent: the hour or day in UTC of `partitionSpan`. */
  readonly slotSpan?: (path: string) => PartitionSpan | null;
}

/** What a route says in place of the top level. Absent: what the top level says at that moment. */
export interface RouteOverrides {
  readonly flushSize?: number;
  readonly flushBytes?: number;
  readonly scheduledIntervalMs?: number;
  readonly idleIntervalMs?: number;
  /** Bytes in the bucket. */
  readonly targetObjectBytes?: number;
  readonly compression?: Compression;
  /** Of `compression` if that is there; absent beside it: the default of the codec. */
  readonly compressionLevel?: number;
}

/** The routes that a process knows, by name. It leaves all that has another route alone. */
export type Routes = ReadonlyMap<string, RouteRules>;

export function builtInRoutes({
  bucket,
  prefix,
  quarantinePrefix,
}: Pick<RouteRules, 'bucket' | 'prefix'> & { readonly quarantinePrefix: string }): Routes {
  return new Map([
    [DEFAULT_ROUTE, { bucket, prefix, endsWithSlot: true }],
    [QUARANTINE_ROUTE, { bucket, prefix: quarantinePrefix, endsWithSlot: true }],
  ]);
}

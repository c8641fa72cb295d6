import { join } from 'node:path';
import { SpoolError } from './spool-error.ts';

/** Ids come from Redis and become file names: none may lead out of its directory. */
const NAME = /^[A-Za-z0-9-]{1,128}$/;

/**
 * What a segment's file is, by its name. `open`: being written. `sealed`: whole and durable, and its events are also in
 * Redis or in the bucket, so it is superfluous as soon as there is no record. `spilled`: as durable, and it may be the only
 * copy. `quarantined`: damaged, and it may be the only copy; an operator has to look.
 */
export type SegmentState = 'open' | 'sealed' | 'spilled' | 'quarantined';

const SUFFIXES: Readonly<Record<SegmentState, string>> = {
  open: '.open',
  sealed: '.segment',
  spilled: '.spilled',
  quarantined: '.quarantined',
};
const STATES = ['open', 'sealed', 'spilled', 'quarantined'] as const satisfies readonly SegmentState[];

export function isName(name: string): boolean {
  return NAME.test(name);
}

/** @throws SpoolError `bad_name` */
export function instanceDirectory(directory: string, instance: string): string {
  return join(directory, checked('instance', instance));
}

/**
 * Where the file of a segment is.
 * @throws SpoolError `bad_name`
 */
export function segmentPath(directory: string, instance: string, segmentId: string, state: SegmentState): string {
  return join(instanceDirectory(directory, instance), checked('segment', segmentId) + SUFFIXES[state]);
}

/** A segment's file in an instance's directory. */
export interface SpoolFile {
  readonly segmentId: string;
  readonly state: SegmentState;
}

/** The segment that a file name belongs to; null for other files. */
export function parseFileName(fileName: string): SpoolFile | null {
  const state = STATES.find((one) => fileName.endsWith(SUFFIXES[one]));
  if (state === undefined) return null;
  const segmentId = fileName.slice(0, -SUFFIXES[state].length);
  return isName(segmentId) ? { segmentId, state } : null;
}

function checked(what: string, name: string): string {
  if (isName(name)) return name;
  throw new SpoolError('bad_name', `naming a spool file`, `${JSON.stringify(name)} is not a ${what} id`);
}

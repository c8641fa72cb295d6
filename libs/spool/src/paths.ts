import { join } from 'node:path';
import { SpoolError } from './spool-error.ts';

/** Ids come out of Redis and become file names: nothing in them may lead elsewhere. */
const NAME = /^[A-Za-z0-9-]{1,128}$/;
const SUFFIX_OPEN = '.open';
const SUFFIX_SEALED = '.segment';

export function isName(name: string): boolean {
  return NAME.test(name);
}

/** @throws SpoolError `bad_name` */
export function instanceDirectory(directory: string, instance: string): string {
  return join(directory, checked('instance', instance));
}

/**
 * Where the file of a segment is: `<segmentId>.open` while it is written, `<segmentId>.segment` once it is sealed.
 * @throws SpoolError `bad_name`
 */
export function segmentPath(directory: string, instance: string, segmentId: string, sealed: boolean): string {
  const suffix = sealed ? SUFFIX_SEALED : SUFFIX_OPEN;
  return join(instanceDirectory(directory, instance), checked('segment', segmentId) + suffix);
}

/** The segment a file name belongs to; null for files that are not ours. */
export function parseFileName(fileName: string): { readonly segmentId: string; readonly sealed: boolean } | null {
  for (const [suffix, sealed] of [[SUFFIX_OPEN, false] as const, [SUFFIX_SEALED, true] as const]) {
    if (!fileName.endsWith(suffix)) continue;
    const segmentId = fileName.slice(0, -suffix.length);
    return isName(segmentId) ? { segmentId, sealed } : null;
  }
  return null;
}

function checked(what: string, name: string): string {
  if (isName(name)) return name;
  throw new SpoolError('bad_name', `naming a spool file`, `${JSON.stringify(name)} is no ${what} id of ours`);
}

import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What to write instead of an address, an ARN or a path that is given as `bucket`; undefined for what is none of them. */
export function bucketHint(text: string): string | undefined {
  // Credentials in front of a host are not repeated.
  const given = text.replace(/^([a-z0-9]+:\/*)?[^/]*@/i, '$1');
  if (/^file:/i.test(given)) return `file:/// and an absolute directory, as ${fileAddress(given)}`;
  if (/^[a-z]:[\\/]/i.test(given))
    return `file:///${given.replaceAll('\\', '/').replaceAll(' ', '%20')} for a directory`;
  if (/^(\/|\.{1,2}(\/|$)|~(\/|$))/.test(given)) return `${directoryAddress(given)} for a directory`;
  const arn = /^arn:[a-z0-9-]+:s3:::([^/*]+)\/?(.*)$/.exec(given);
  if (arn) return keysInstead([['bucket', arn[1]], prefixKey(arn[2])]);
  if (given.startsWith('arn:')) return undefined;
  const address = /^s3[an]?:\/*([^/]*)\/*(.*)$/i.exec(given);
  if (address) return keysInstead([['bucket', address[1]], prefixKey(address[2])]);
  if (/^https?:\/\//i.test(given)) return URL.canParse(given) ? webAddress(new URL(given)) : undefined;
  const path = /^([^/]+)\/(.*)$/.exec(given);
  return path ? keysInstead([['bucket', path[1]], prefixKey(path[2])]) : undefined;
}

/** Of a server, or of AWS in one of its two styles. */
function webAddress({ protocol, host, pathname }: URL): string {
  const [, first = '', rest = ''] = /^\/*([^/]*)\/*(.*)$/.exec(pathname) ?? [];
  const aws = /^(?:(.+)\.)?s3[.-](?:([a-z]{2}(?:-[a-z]+)+-\d)\.)?amazonaws\.com$/.exec(host);
  if (aws === null) return keysInstead([['endpoint', `${protocol}//${host}`], ['bucket', first], prefixKey(rest)]);
  const [, bucket, region] = aws;
  const regionKey: Key = ['region', region];
  return bucket === undefined
    ? keysInstead([['bucket', first], regionKey, prefixKey(rest)])
    : keysInstead([['bucket', bucket], regionKey, prefixKey(`${first}/${rest}`)]);
}

type Key = readonly [name: string, value: string | undefined];

function keysInstead(keys: readonly Key[]): string {
  const given = keys.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name}: ${value}`]));
  const last = given.pop() ?? '';
  return given.length === 0 ? `the name alone, as ${last}` : `${given.join(', ')} and ${last}`;
}

/** A folder: its objects begin with its name and a slash. */
function prefixKey(path: string | undefined): Key {
  const folder = (path ?? '').replace(/[/*]+$/, '');
  return ['prefix', folder === '' ? undefined : `${folder}/`];
}

/** The address of the directory that a broken file: address means. */
function fileAddress(given: string): string {
  const path = given.replace(/^file:\/*/i, '');
  return path === '' ? 'file:///var/lib/sink/objects' : pathToFileURL(decoded(`/${path}`)).href;
}

function directoryAddress(given: string): string {
  return pathToFileURL(given.startsWith('~') ? resolve(homedir(), given.replace(/^~\/*/, '')) : resolve(given)).href;
}

/** A percent sign that is no escape is the name's own. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

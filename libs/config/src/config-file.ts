import { LineCounter, parseAllDocuments } from 'yaml';
import type { Environment } from './environment.ts';
import { isTree } from './nested.ts';
import type { ConfigProblem } from './problems.ts';

/** The paths that are tried, in this order, if neither --config nor CONNECTOR_CONFIG names a file. */
export const DEFAULT_PLACES: readonly string[] = [
  '/vanus-connect/config/config.yml',
  '/vanus-connector/config/config.yml',
  '/vance/config/config.json',
];

/** Which configuration file was read, for the first line of a start. */
export function describeConfigFile(path: string | null): string {
  if (path !== null) return `the configuration file is ${path}`;
  return `no configuration file was read: --config and CONNECTOR_CONFIG name none, and there is no ${DEFAULT_PLACES.join(', ')}`;
}

/** Reads a text file. `missing` only means that it does not exist. */
export type ReadText = (path: string) => { readonly text: string } | 'missing' | { readonly failure: string };

/** A configuration file, or its mistake. */
export type ConfigFile =
  | { readonly kind: 'none' }
  | { readonly kind: 'read'; readonly path: string; readonly tree: Readonly<Record<string, unknown>> }
  | { readonly kind: 'unusable'; readonly problem: ConfigProblem };

/**
 * Finds and parses the configuration file. A named file must exist; otherwise the first default path that exists is
 * used.
 */
export function readConfigFile(named: string | undefined, env: Environment, readText: ReadText): ConfigFile {
  const path = namedFile(named, env);
  if (path !== undefined) return readOne(path, readText, named === undefined ? 'CONNECTOR_CONFIG' : '--config');
  for (const place of DEFAULT_PLACES) {
    const file = readOne(place, readText, undefined);
    if (file.kind !== 'none') return file;
  }
  return { kind: 'none' };
}

/** The file of --config or CONNECTOR_CONFIG. */
function namedFile(named: string | undefined, env: Environment): string | undefined {
  const fromEnvironment = env['CONNECTOR_CONFIG'];
  return named ?? (fromEnvironment === '' ? undefined : fromEnvironment);
}

/** What the configuration file contains now, or why it cannot be read, to notice a change of it. */
export function configFileText(named: string | undefined, env: Environment, readText: ReadText): string {
  const path = namedFile(named, env);
  for (const place of path === undefined ? DEFAULT_PLACES : [path]) {
    const content = readText(place);
    if (content !== 'missing') return JSON.stringify([place, content]);
  }
  return 'missing';
}

function readOne(path: string, readText: ReadText, namedBy: string | undefined): ConfigFile {
  const content = readText(path);
  if (content === 'missing') {
    if (namedBy === undefined) return { kind: 'none' };
    return unusable(path, `a file that does not exist (${namedBy})`, 'the path of a readable YAML or JSON file');
  }
  if ('failure' in content) return unusable(path, `a file that cannot be read: ${content.failure}`, 'a readable file');
  const tree = parseTree(content.text);
  return typeof tree === 'string'
    ? unusable(path, tree, 'YAML or JSON: one mapping of keys to values')
    : { kind: 'read', path, tree };
}

function unusable(key: string, given: string, allowed: string): ConfigFile {
  return { kind: 'unusable', problem: { key, given, allowed } };
}

/**
 * YAML 1.2, of which JSON is a part. A string says what is wrong: with the line, never with its content, which may be
 * a secret.
 */
function parseTree(text: string): Readonly<Record<string, unknown>> | string {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text.replace(/^\uFEFF/, ''), {
    lineCounter,
    prettyErrors: false,
    logLevel: 'error',
    stringKeys: true,
  });
  const [document, ...more] = 'empty' in documents ? [] : documents;
  if (document === undefined) return {};
  const [error] = [document, ...more].flatMap(({ errors }) => errors);
  if (error) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    const what = error.code === 'DUPLICATE_KEY' ? 'a key that is given twice' : 'neither YAML nor JSON';
    return `${what}, line ${line}, column ${col}`;
  }
  if (more.length > 0) return 'several YAML documents in one file';
  try {
    const tree: unknown = document.toJS({ maxAliasCount: 100 });
    if (tree === null || tree === undefined) return {};
    return isTree(tree) ? tree : 'something other than a mapping of keys to values';
  } catch {
    return 'YAML with aliases that cannot be resolved';
  }
}

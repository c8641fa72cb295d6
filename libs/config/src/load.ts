import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readConfigFile, type ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';
import { environmentLayer, type Layer, mergeLayers, treeLayer, valueKeyOf } from './layer.ts';
import { ConfigError, type Given, type GivenSettings, Problems } from './problems.ts';
import { resolveBucket } from './resolve-bucket.ts';
import { type ReadNamedFile, resolveRedis } from './resolve-redis.ts';
import { resolveConfig } from './resolve.ts';
import { SecretFiles, secretOfText } from './secret-file.ts';
import { readSettings, settingPaths, settings, type SettingPath, type Settings } from './settings.ts';
import type { BucketSettings, RedisSettings, SinkConfig } from './sink-config.ts';

const FILE_BYTES_MAX = 1024 * 1024;

/** The sources of the configuration. */
export interface ConfigSources {
  /** The file of `--config`. Without it: `CONNECTOR_CONFIG`, then the paths of the original connector. */
  readonly file?: string;
  readonly env: Environment;
  /** Values that override file and environment; keys as in the file, also flat (`redis.url`). */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Reads files; tests replace it. */
  readonly readText?: ReadText;
}

/**
 * Reads, checks and freezes the configuration: defaults, the file, the environment, then `overrides`. Later sources
 * override earlier ones, key by key.
 * @throws ConfigError with all mistakes
 */
export function loadConfig(sources: ConfigSources): SinkConfig {
  const readText = sources.readText ?? readTextFile;
  const file = readConfigFile(sources.file, sources.env, readText);
  const layers: readonly Layer[] = [
    ...(file.kind === 'read' ? [treeLayer(file.tree, file.path, sources.env)] : []),
    environmentLayer(sources.env),
    treeLayer(sources.overrides ?? {}, 'command line'),
  ];
  const given = mergeLayers(layers);
  const problems = new Problems(given);
  if (file.kind === 'unusable') problems.addOther(file.problem);
  for (const problem of layers.flatMap((layer) => layer.problems)) problems.addOther(problem);

  const { read, readNamedFile } = readGiven(given, problems, readText);
  const dataDir = resolve(read.data_dir);
  const secretFiles = new SecretFiles(readText);
  const warnings: string[] = [];
  const bucket = resolveBucket(read, { dataDir, env: sources.env, readText, secretFiles }, problems, warnings);
  const redis = resolveRedis(read, readNamedFile, problems);
  const secrets = { secrets: secretsIn(given, bucket, redis), secretsReadAgain: secretFiles.values };
  const readRedisAgain = (): RedisSettings | null => {
    const again = new Map([...mergeLayers(layers)].filter(([path]) => path.startsWith('redis.')));
    const mistakes = new Problems(again);
    const now = readGiven(again, mistakes, readText);
    const found = resolveRedis(now.read, now.readNamedFile, mistakes);
    for (const secret of secretsIn(again, bucket, found)) secretFiles.values.add(secret);
    if (mistakes.all().length > 0) throw new ConfigError(mistakes.all());
    return found;
  };
  const configFile = file.kind === 'read' ? file.path : null;
  const config = resolveConfig(
    read,
    { configFile, dataDir, bucket, redis, given: [...given.keys()], readRedisAgain, ...secrets, warnings },
    problems,
  );
  if (problems.all().length > 0) throw new ConfigError(problems.all());
  return deepFreeze(config);
}

/** The settings, with the content of the files that `given` names; it replaces these keys in `given`. */
function readGiven(
  given: Map<SettingPath, Given>,
  problems: Problems,
  readText: ReadText,
): { readonly read: Settings; readonly readNamedFile: ReadNamedFile } {
  const readNamedFile: ReadNamedFile = (path, name) => {
    const content = readText(name);
    if (typeof content === 'object' && 'text' in content && content.text.trim() !== '') return content.text;
    problems.add(path, describeUnreadable(content));
    return undefined;
  };
  readSecretFiles(given, readNamedFile);
  checkValues(given, problems);
  const values = Object.fromEntries([...given].map(([path, { value }]) => [path, value]));
  return { read: readSettings(values), readNamedFile };
}

/** Replaces `…_file` keys by the content of the file, without the line breaks that editors add at its end. */
function readSecretFiles(
  given: Map<SettingPath, Given>,
  readNamedFile: (path: SettingPath, name: string) => string | undefined,
): void {
  for (const [path, { value, origin }] of [...given]) {
    const target = valueKeyOf(path);
    if (target === undefined || typeof value !== 'string') continue;
    const text = readNamedFile(path, value);
    if (text !== undefined) given.set(target, { value: secretOfText(text), origin: `${path}, ${origin}` });
  }
}

/**
 * The values of secret keys, the password of an address (as it is written, and decoded), and the text of the TLS key.
 */
function secretsIn(given: GivenSettings, bucket: BucketSettings, redis: RedisSettings | null): string[] {
  const values = [...given].flatMap(([path, { value }]) => {
    // The address of a proxy is no secret; its password is added below.
    if (!settings[path].secret || typeof value !== 'string' || path === 'proxy_url') return [];
    return URL.canParse(value) ? [value, new URL(value).password] : [value];
  });
  const proxy = bucket.kind === 's3' ? bucket.proxy : undefined;
  const proxyPasswords = [proxy?.http, proxy?.https].flatMap((url) => (url ? passwordsIn(url) : []));
  const secrets = [...values, ...proxyPasswords, redis?.password, redis?.tls?.key].filter(
    (secret) => secret !== undefined,
  );
  return [...new Set(secrets)].filter((secret) => secret !== '');
}

/** The password of an address as it is written and decoded. */
function passwordsIn(url: string): string[] {
  const password = URL.parse(url)?.password ?? '';
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}

/** Checks each value by itself, and removes invalid ones so that the rest can be checked. */
function checkValues(given: Map<SettingPath, Given>, problems: Problems): void {
  const wrong = settingPaths.filter((path) => {
    const value = given.get(path)?.value;
    return value !== undefined && !settings[path].schema.safeParse(value).success;
  });
  for (const path of wrong) {
    const value = given.get(path)?.value;
    const unquoted = typeof value !== 'string' && settings[path].schema.safeParse(String(value)).success;
    problems.add(path, unquoted ? `${settings[path].allowed}; as text: put it in quotes` : settings[path].allowed);
  }
  for (const path of wrong) given.delete(path);
}

function describeUnreadable(content: ReturnType<ReadText>): string {
  if (content === 'missing') return 'the path of a file that exists';
  return 'failure' in content ? `a file that can be read (${content.failure})` : 'a file that is not empty';
}

function readTextFile(path: string): ReturnType<ReadText> {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES_MAX) return { failure: 'larger than 1 MiB' };
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    // ENOENT also means that a folder of the path is missing, and ENOTDIR that it is a file.
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    return { failure: code };
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}

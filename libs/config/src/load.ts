import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readConfigFile, type ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';
import { environmentLayer, type Layer, mergeLayers, treeLayer } from './layer.ts';
import { ConfigError, type ConfigProblem, type GivenSettings, Problems } from './problems.ts';
import { ReadAgain } from './read-again.ts';
import { readGiven } from './read-given.ts';
import { resolveBucket } from './resolve-bucket.ts';
import { environmentProxy } from './resolve-network.ts';
import { checkPut } from './resolve-put.ts';
import { resolveRedis } from './resolve-redis.ts';
import { checkRetired, resolveRoutes } from './resolve-routes.ts';
import { opsHost, resolveConfig } from './resolve.ts';
import { proxyPasswords, redisSecrets, secretsIn } from './secrets-in.ts';
import { plainConfig, type PlainConfig, readSettings, settings } from './settings.ts';
import type { RedisSettings, SinkConfig } from './sink-config.ts';

const FILE_BYTES_MAX = 1024 * 1024;

/** The sources of the configuration. */
export interface ConfigSources {
  /** The file of `--config`. Without it: `CONNECTOR_CONFIG`, then the paths of the original connector. */
  readonly file?: string;
  readonly env: Environment;
  /** Values that override file and environment; keys as in the file, also flat (`redis.url`). */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Takes the place of the file, which is not read then. */
  readonly settings?: FileSettings;
  /** Reads files; tests replace it. */
  readonly readText?: ReadText;
}

/** What a configuration file says: its keys with their values as they are written. */
export interface FileSettings {
  /** Null: there is none. */
  readonly path: string | null;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A configuration, with the values that it was made of. */
export interface LoadedConfig {
  readonly config: SinkConfig;
  readonly file: FileSettings;
  /** The values of all sources. */
  readonly given: GivenSettings;
  /** The secrets that came after this configuration was read. */
  readonly again: Pick<ReadAgain, 'keepReloaded'>;
}

/**
 * Reads, checks and freezes the configuration: defaults, the file, the environment, then `overrides`. Later sources
 * override earlier ones, key by key.
 * @throws ConfigError with all mistakes
 */
export function loadConfig(sources: ConfigSources): SinkConfig {
  return loadSources(sources).config;
}

/**
 * As `loadConfig`.
 * @throws ConfigError with all mistakes
 */
export function loadSources(sources: ConfigSources): LoadedConfig {
  const readText = sources.readText ?? readTextFile;
  const file = readFile(sources, readText);
  const layers: readonly Layer[] = [
    file.layer,
    environmentLayer(sources.env),
    treeLayer(sources.overrides ?? {}, 'command line'),
  ];
  const given = mergeLayers(layers);
  const merged: GivenSettings = new Map(given);
  const problems = new Problems(given);
  if (file.problem !== undefined) problems.addOther(file.problem);
  for (const problem of layers.flatMap((layer) => layer.problems)) problems.addOther(problem);

  const { read, readNamedFile } = readGiven(given, problems, readText);
  const dataDir = resolve(read.data_dir);
  const again = new ReadAgain(layers, readText);
  const warnings: string[] = [];
  const bucketSources = { dataDir, env: sources.env, readText, again };
  const bucket = resolveBucket(read, bucketSources, problems, warnings);
  const routes = resolveRoutes(read, given, bucketSources, problems, warnings);
  checkRetired(read, problems);
  checkPut(read, bucket, [...given.keys()], problems, warnings);
  const redis = resolveRedis(read, readNamedFile, problems);
  const proxy = bucket.kind === 's3' ? bucket.proxy : undefined;
  const keysProxy = environmentProxy(sources.env);
  const secrets = secretsIn(given, [...[proxy, keysProxy].flatMap(proxyPasswords), ...redisSecrets(redis)]);
  const readRedisAgain = (): RedisSettings | null => again.section('redis', resolveRedis, redisSecrets);
  const config = resolveConfig(
    read,
    {
      configFile: file.path,
      dataDir,
      bucket,
      routes,
      ...(keysProxy === undefined ? {} : { keysProxy }),
      redis,
      given: [...given.keys()],
      readRedisAgain,
      secrets,
      secretsReadAgain: again.secrets,
      warnings,
    },
    problems,
  );
  if (problems.all().length > 0) throw new ConfigError(problems.all());
  const values = Object.fromEntries([...file.layer.given].map(([path, { written }]) => [path, written]));
  return { config: deepFreeze(config), file: { path: file.path, values }, given: merged, again };
}

/**
 * What can be said of a configuration that may have mistakes: keys with a wrong value, or all of a file that cannot be
 * parsed, count as not given. For a tool that has to find a sink that runs.
 */
export function loadLeniently(sources: ConfigSources): PlainConfig & Pick<SinkConfig, 'dataDir' | 'opsHost'> {
  const { layer } = readFile(sources, sources.readText ?? readTextFile);
  const given = mergeLayers([layer, environmentLayer(sources.env)]);
  const valid = [...given].filter(([path, { value }]) => settings[path].schema.safeParse(value).success);
  const read = readSettings(Object.fromEntries(valid.map(([path, { value }]) => [path, value])));
  return { ...plainConfig(read), dataDir: resolve(read.data_dir), opsHost: opsHost(read) };
}

function readFile(
  { file: named, settings, env }: ConfigSources,
  readText: ReadText,
): { readonly path: string | null; readonly layer: Layer; readonly problem?: ConfigProblem } {
  if (settings !== undefined) {
    return { path: settings.path, layer: treeLayer(settings.values, settings.path ?? 'no file', env) };
  }
  const file = readConfigFile(named, env, readText);
  switch (file.kind) {
    case 'read':
      return { path: file.path, layer: treeLayer(file.tree, file.path, env) };
    case 'none':
      return { path: null, layer: treeLayer({}, 'no file') };
    case 'unusable':
      return { path: null, layer: treeLayer({}, 'no file'), problem: file.problem };
  }
}

/** Reads a text file of at most 1 MiB. */
export function readTextFile(path: string): ReturnType<ReadText> {
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

/** Freezes a value with all that is in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}

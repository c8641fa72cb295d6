import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readConfigFile, type ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';
import { environmentLayer, type Layer, mergeLayers, treeLayer } from './layer.ts';
import { ConfigError, Problems } from './problems.ts';
import { ReadAgain } from './read-again.ts';
import { readGiven } from './read-given.ts';
import { resolveBucket } from './resolve-bucket.ts';
import { resolveRedis } from './resolve-redis.ts';
import { resolveConfig } from './resolve.ts';
import { proxyPasswords, redisSecrets, secretsIn } from './secrets-in.ts';
import type { RedisSettings, SinkConfig } from './sink-config.ts';

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
  const again = new ReadAgain(layers, readText);
  const warnings: string[] = [];
  const bucket = resolveBucket(read, { dataDir, env: sources.env, readText, again }, problems, warnings);
  const redis = resolveRedis(read, readNamedFile, problems);
  const proxy = bucket.kind === 's3' ? bucket.proxy : undefined;
  const secrets = secretsIn(given, [...proxyPasswords(proxy), ...redisSecrets(redis)]);
  const readRedisAgain = (): RedisSettings | null => again.section('redis', resolveRedis, redisSecrets);
  const configFile = file.kind === 'read' ? file.path : null;
  const config = resolveConfig(
    read,
    {
      configFile,
      dataDir,
      bucket,
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
  return deepFreeze(config);
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

import type { Problems } from './problems.ts';
import { isPathPreset } from '@sink/layout';
import { producersOf } from './producers.ts';
import { mistakeInPath } from './resolve-paths.ts';
import { plainConfig, type SettingPath, type Settings } from './settings.ts';
import { unboundedSizes } from './size-keys.ts';
import type { RedisSettings, SinkConfig } from './sink-config.ts';

export const GZIP_LEVEL_MAX = 9;
/** An object key has at most 1,024 bytes; date, chunk id and hash need about 150 of them. */
export const PREFIX_BYTES_MAX = 512;

/** Puts the configuration together, and adds mistakes that concern several keys to `problems`. */
export function resolveConfig(
  settings: Settings,
  parts: Pick<
    SinkConfig,
    | 'configFile'
    | 'dataDir'
    | 'bucket'
    | 'routes'
    | 'keysProxy'
    | 'redis'
    | 'given'
    | 'readRedisAgain'
    | 'secrets'
    | 'secretsReadAgain'
    | 'warnings'
  >,
  problems: Problems,
): SinkConfig {
  checkPorts(settings, problems);
  checkTls(settings, problems);
  checkProducers(settings, problems);
  checkCompression(settings, problems);
  checkDurability(settings, parts.redis, problems);
  checkSpill(settings, problems);
  checkInFlight(settings, problems);
  checkPrefixes(settings, parts.given, problems);
  checkPath(settings, parts, problems);
  const { compression, compression_level: level } = settings;
  return {
    ...plainConfig(settings),
    ...(settings.target_object_size === undefined ? {} : unboundedSizes(parts.given)),
    producers: producersOf(settings.producers),
    routesRetired: settings.routes_retired ?? {},
    ...parts,
    ...(level === undefined || compression === 'none' ? {} : { compressionLevel: level }),
    manifests: settings.manifests ?? false,
    lenientContentType: settings.lenient_content_type ?? false,
    spillAtBytes: spillAt(settings),
    opsHost: opsHost(settings),
  };
}

/** Where the ports for health and metrics are. */
export function opsHost({ ops_host: given, host }: Settings): string {
  return given ?? host;
}

function checkPath(
  { path, time_interval: timeInterval, time_zone: timeZone, prefix }: Settings,
  { given }: { readonly given: readonly SettingPath[] },
  problems: Problems,
): void {
  if (!isPathPreset(path) && given.includes('time_interval')) {
    problems.add('time_interval', 'nothing beside a template, in which {time:…} says it', ['path']);
  }
  const mistake = mistakeInPath({ path, timeInterval, timeZone }, prefix);
  if (mistake !== null) problems.add(mistake.key, mistake.allowed, mistake.key === 'path' ? ['prefix'] : []);
}

/** The default of `quarantine_prefix` is no mistake: without quarantine, `prefix` may be any. */
function checkPrefixes(settings: Settings, given: readonly SettingPath[], problems: Problems): void {
  for (const path of ['prefix', 'quarantine_prefix'] as const) {
    if (Buffer.byteLength(settings[path]) > PREFIX_BYTES_MAX)
      problems.add(path, `at most ${PREFIX_BYTES_MAX} bytes of UTF-8`);
  }
  if (!given.includes('quarantine_prefix') && settings.on_invalid !== 'quarantine') return;
  const { prefix, quarantine_prefix: quarantine } = settings;
  if (prefix === quarantine) problems.add('quarantine_prefix', 'a text that differs from prefix', ['prefix']);
  else if (isInFoldersOf(prefix, quarantine) || isInFoldersOf(quarantine, prefix)) {
    const remedy = 'a text that does not lead into the folders of years of prefix, nor the other way round';
    problems.add('quarantine_prefix', remedy, ['prefix']);
  }
}

/** Whether a reader of a year's folder below `prefix` would find what begins with `other`. */
function isInFoldersOf(prefix: string, other: string): boolean {
  return other.startsWith(prefix) && /^\d{4}\//.test(other.slice(prefix.length));
}

/** Null: half of what Redis may store, which is not known yet. */
function spillAt({ spill_at: given, replicas }: Settings): number | 'never' | null {
  if (given !== undefined) return given === 0 ? 'never' : given;
  return replicas > 0 ? 'never' : null;
}

function checkSpill(
  { spill_at: spillAtBytes = 0, max_backlog_bytes: backlogBytes }: Settings,
  problems: Problems,
): void {
  if (backlogBytes === undefined || spillAtBytes < backlogBytes) return;
  problems.add(
    'spill_at',
    'less than max_backlog_bytes, because otherwise nothing is ever spilled; 0 disables spilling',
    ['max_backlog_bytes'],
  );
}

/** Each worker gets its share of the limit, and one body must fit into that share. */
function checkInFlight(
  { max_in_flight_bytes: limitBytes, max_body_bytes: bodyBytes, 'ingest.workers': workers = 1 }: Settings,
  problems: Problems,
): void {
  if (limitBytes >= bodyBytes * workers) return;
  const given: SettingPath[] = workers === 1 ? ['max_body_bytes'] : ['max_body_bytes', 'ingest.workers'];
  problems.add(
    'max_in_flight_bytes',
    workers === 1 ? 'at least max_body_bytes' : 'at least max_body_bytes for each of ingest.workers',
    given,
  );
}

function checkPorts(settings: Settings, problems: Problems): void {
  const taken = new Map<number, SettingPath>();
  for (const path of ['port', 'ingest_ops_port', 'batcher_ops_port', 'uploader_ops_port', 'redis_port'] as const) {
    const port = settings[path];
    if (port === 0) continue;
    const other = taken.get(port);
    if (other === undefined) taken.set(port, path);
    else problems.add(path, `a port that differs from ${other}`, [other]);
  }
}

/** What the files contain is the matter of ingest: the other services may not have them. */
function checkTls(settings: Settings, problems: Problems): void {
  const pair = ['tls.cert_file', 'tls.key_file'] as const;
  const absent = pair.filter((path) => settings[path] === undefined);
  const [first] = absent;
  if (first === undefined) return;
  if (absent.length === 1) problems.add(first, 'both tls.cert_file and tls.key_file, or neither', pair);
  else if (settings['tls.client_ca_file'] !== undefined) {
    problems.add(first, 'the certificate of the port, without which it asks no client for one', ['tls.client_ca_file']);
  }
}

function checkProducers(settings: Settings, problems: Problems): void {
  if (settings['tls.client_ca_file'] !== undefined) return;
  if (!(settings.producers ?? []).some(({ mtls }) => mtls !== undefined)) return;
  const allowed = 'mtls only with tls.client_ca_file, without which the port asks no client for a certificate';
  problems.add('producers', allowed, ['tls.client_ca_file', 'tls.cert_file']);
}

function checkCompression(settings: Settings, problems: Problems): void {
  if (settings.compression === 'gzip' && (settings.compression_level ?? 1) > GZIP_LEVEL_MAX) {
    problems.add('compression_level', `1 to ${GZIP_LEVEL_MAX} with compression: gzip`, ['compression']);
  }
}

function checkDurability(settings: Settings, redis: RedisSettings | null, problems: Problems): void {
  if (redis !== null) return;
  const addresses = ['redis.url', 'redis.sentinels', 'redis.cluster_nodes', 'redis.sentinel_master'] as const;
  if (settings.durability === 'managed') {
    problems.add('durability', 'fsync, everysec or none for the Redis that the sink runs itself', addresses);
  }
  if (settings.replicas > 0) {
    problems.add('replicas', '0, because the Redis that the sink runs itself has no replicas', addresses);
  }
}

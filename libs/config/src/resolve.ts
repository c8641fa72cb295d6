import type { BucketSettings, SinkConfig } from './sink-config.ts';
import type { Problems } from './problems.ts';
import type { RedisSettings } from './redis-settings.ts';
import type { SettingPath, Settings } from './settings.ts';

const GZIP_LEVEL_MAX = 9;
/** An object key has at most 1,024 bytes; date, chunk id and hash take some 150 of them. */
const PREFIX_BYTES_MAX = 512;

/** Puts the parts together and adds what is wrong between keys to `problems`. */
export function resolveConfig(
  settings: Settings,
  dataDir: string,
  bucket: BucketSettings,
  redis: RedisSettings | null,
  problems: Problems,
): SinkConfig {
  checkPorts(settings, problems);
  checkCompression(settings, problems);
  checkDurability(settings, redis, problems);
  checkSpill(settings, problems);
  checkInFlight(settings, problems);
  if (Buffer.byteLength(settings.prefix) > PREFIX_BYTES_MAX) {
    problems.add('prefix', `at most ${PREFIX_BYTES_MAX} bytes of UTF-8`);
  }
  const { compression, compression_level: level } = settings;
  return {
    port: settings.port,
    host: settings.host,
    ingestWorkers: settings['ingest.workers'] ?? null,
    sinkName: settings.sink_name,
    lanes: settings.lanes,
    dataDir,
    bucket,
    prefix: settings.prefix,
    ifNoneMatch: settings.if_none_match,
    compression,
    ...(level === undefined || compression === 'none' ? {} : { compressionLevel: level }),
    manifests: settings.manifests ?? false,
    flushSize: settings.flush_size,
    flushBytes: settings.flush_bytes,
    scheduledIntervalMs: settings.scheduled_interval,
    timeInterval: settings.time_interval,
    redis,
    redisPort: settings.redis_port,
    durability: settings.durability,
    replicas: settings.replicas,
    holdMaxMs: settings.hold_max,
    maxBacklogBytes: settings.max_backlog_bytes ?? null,
    spillAtBytes: spillAt(settings),
    maxSpoolBytes: settings.max_spool_bytes ?? null,
    diskReserveBytes: settings.disk_reserve_bytes ?? null,
    receiptsMax: settings.receipts_max,
    dedupeWindowMs: settings.dedupe_window,
    maxFingerprints: settings.max_fingerprints,
    maxBodyBytes: settings.max_body_bytes,
    maxHeaderBytes: settings.max_header_bytes,
    maxInFlightBytes: settings.max_in_flight_bytes,
    maxOpenFiles: settings.max_open_files,
    leaseMs: settings.lease,
    uploadConcurrency: settings.upload_concurrency,
    uploadTimeoutMs: settings.upload_timeout,
    ingestOpsPort: settings.ingest_ops_port,
    batcherOpsPort: settings.batcher_ops_port,
    uploaderOpsPort: settings.uploader_ops_port,
    stopGraceMs: settings.stop_grace,
    logLevel: settings.log_level,
  };
}

/** Null: half of what Redis may hold, which is not known yet. */
function spillAt({ spill_at: given, replicas }: Settings): number | 'never' | null {
  if (given !== undefined) return given === 0 ? 'never' : given;
  return replicas > 0 ? 'never' : null;
}

function checkSpill(
  { spill_at: spillAtBytes = 0, max_backlog_bytes: backlogBytes }: Settings,
  problems: Problems,
): void {
  if (backlogBytes === undefined || spillAtBytes < backlogBytes) return;
  problems.add('spill_at', 'less than max_backlog_bytes, or nothing is ever spilled; 0 says so', ['max_backlog_bytes']);
}

/** Each worker has its share, and one body has to find room in it. */
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
    else problems.add(path, `another port than that of ${other}`, [other]);
  }
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
    problems.add('durability', 'fsync, everysec or none for the Redis the sink runs itself', addresses);
  }
  if (settings.replicas > 0) {
    problems.add('replicas', '0: the Redis the sink runs itself has no replicas', addresses);
  }
}

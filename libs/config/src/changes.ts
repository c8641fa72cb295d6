import type { SettingPath } from './settings.ts';
import { settingPaths } from './settings.ts';

/** `live`: a change takes effect in a running sink. Else the reason why it takes effect at the next start. */
type Change = 'live' | { readonly restart: string };

const PORTS: Change = { restart: 'ports are opened once, at the start' };
const TLS: Change = {
  restart: 'the port is opened once, at the start; what the files of its certificate contain is read again',
};
const STORE: Change = { restart: 'the connection to the bucket is made, and what the store can do is found out, once' };
const KEY_FILES: Change = { restart: 'credentials are chosen at the start; what their files contain is read again' };
const LAYOUT: Change = {
  restart:
    'queries read the folders that exist; processes and replicas that change one after the other would mix two layouts',
};
const ROUTES: Change = {
  restart:
    'ingest, batchers and uploaders have to know the same routes; processes that change one after the other would not',
};
const GUARANTEE: Change = { restart: 'Redis is examined with it at the start, and every 2xx rests on that' };
const PLAN: Change = { restart: 'the memory of Redis and the disk are divided with it at the start' };
const REDIS: Change = {
  restart: 'Redis is examined once; what the files of passwords and certificates contain is read at each connection',
};
const IDENTITY: Change = { restart: 'every process has to agree on which streams in Redis are those of this sink' };

/**
 * What a change of each key needs while the sink runs. The compiler asks for every key, so that a new one has to choose.
 *
 * `live` is for what every process may read anew at each use, without two processes that differ for a moment doing
 * anything wrong. Of the layout of objects, the compression is live: a file that is open keeps the compression with
 * which it was opened, its record names it, and so does the end of its key. Prefix and interval of the folders are not.
 */
export const CHANGES = {
  port: PORTS,
  host: PORTS,
  'ingest.workers': { restart: 'the processes divide max_in_flight_bytes between them when they start' },
  max_body_bytes: 'live',
  max_header_bytes: { restart: 'Node.js takes it when the port is opened' },
  max_in_flight_bytes: 'live',
  keep_alive_timeout: 'live',
  attribute_encoding: 'live',
  malformed_json: 'live',
  lenient_content_type: 'live',
  on_invalid: 'live',
  quarantine_max_bytes: 'live',
  quarantine_max_per_second: 'live',
  stop_delay: { restart: 'what stops the sink has planned with it' },
  hold_max: 'live',
  'tls.cert_file': TLS,
  'tls.key_file': TLS,
  'tls.min_version': TLS,
  'tls.client_ca_file': TLS,
  producers: 'live',
  webhook_allowed_origins: 'live',
  validate: 'live',
  on_registry_away: 'live',
  'schemas.directories': 'live',
  'schemas.registries': 'live',
  'schemas.allow_hosts': 'live',
  bucket: STORE,
  region: STORE,
  endpoint: STORE,
  endpoint_ca_file: STORE,
  proxy_url: STORE,
  force_path_style: STORE,
  use_fips: STORE,
  use_dualstack: STORE,
  accelerate: STORE,
  prefix: LAYOUT,
  quarantine_prefix: LAYOUT,
  if_none_match: STORE,
  checksum: STORE,
  compression: 'live',
  compression_level: 'live',
  multipart_above: 'live',
  sse: 'live',
  sse_kms_key_id: 'live',
  sse_bucket_key: 'live',
  storage_class: 'live',
  acl: 'live',
  tags: 'live',
  metadata: 'live',
  object_lock_mode: 'live',
  object_lock_for: 'live',
  expected_bucket_owner: 'live',
  requester_pays: 'live',
  cache_control: 'live',
  manifests: PLAN,
  manifest_after: 'live',
  upload_concurrency: 'live',
  upload_timeout: 'live',
  'aws.access_key_id': KEY_FILES,
  'aws.access_key_id_file': KEY_FILES,
  'aws.secret_access_key': KEY_FILES,
  'aws.secret_access_key_file': KEY_FILES,
  'aws.session_token': KEY_FILES,
  'aws.session_token_file': KEY_FILES,
  'aws.profile': KEY_FILES,
  'aws.role_arn': KEY_FILES,
  'aws.external_id': KEY_FILES,
  'aws.session_name': KEY_FILES,
  flush_size: 'live',
  flush_bytes: 'live',
  target_object_size: 'live',
  scheduled_interval: 'live',
  path: LAYOUT,
  time_interval: LAYOUT,
  partition_time: LAYOUT,
  time_zone: LAYOUT,
  late_after: LAYOUT,
  early_after: LAYOUT,
  max_partitions: LAYOUT,
  routes: ROUTES,
  routes_retired: ROUTES,
  idle_interval: 'live',
  max_open_files: 'live',
  max_open_bytes: 'live',
  lease: 'live',
  sink_name: IDENTITY,
  lanes: IDENTITY,
  durability: GUARANTEE,
  replicas: GUARANTEE,
  max_backlog_bytes: PLAN,
  spill_at: PLAN,
  max_spool_bytes: PLAN,
  disk_reserve_bytes: PLAN,
  receipts_max: PLAN,
  dedupe_window: PLAN,
  max_fingerprints: PLAN,
  'redis.url': REDIS,
  'redis.url_file': REDIS,
  'redis.sentinels': REDIS,
  'redis.sentinel_master': REDIS,
  'redis.sentinel_username': REDIS,
  'redis.sentinel_password': REDIS,
  'redis.sentinel_password_file': REDIS,
  'redis.sentinel_tls': REDIS,
  'redis.cluster_nodes': REDIS,
  'redis.nat_map': REDIS,
  'redis.username': REDIS,
  'redis.password': REDIS,
  'redis.password_file': REDIS,
  'redis.db': REDIS,
  'redis.tls': REDIS,
  'redis.tls_ca_file': REDIS,
  'redis.tls_cert_file': REDIS,
  'redis.tls_key_file': REDIS,
  'redis.tls_server_name': REDIS,
  'redis.tls_verify': REDIS,
  data_dir: { restart: 'everything that is stored on disk is in it' },
  redis_port: PORTS,
  ops_host: PORTS,
  ingest_ops_port: PORTS,
  batcher_ops_port: PORTS,
  uploader_ops_port: PORTS,
  stop_grace: { restart: 'each process gets its share of it when it starts' },
  log_level: 'live',
  log_format: { restart: 'each process opens its log once' },
} as const satisfies Readonly<Record<SettingPath, Change>>;

/** The keys whose change takes effect in a running sink. */
export type LivePath = {
  [Path in SettingPath]: (typeof CHANGES)[Path] extends 'live' ? Path : never;
}[SettingPath];

/** A key whose change takes effect in a running sink. */
export function isLive(path: SettingPath): path is LivePath {
  return CHANGES[path] === 'live';
}

/** All of them, in the order of the reference. */
export const livePaths: readonly LivePath[] = settingPaths.filter(isLive);

/** Why a change of this key needs a restart; null: it does not. */
export function whyRestart(path: SettingPath): string | null {
  const change: Change = CHANGES[path];
  return change === 'live' ? null : change.restart;
}

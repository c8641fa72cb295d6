import { z } from 'zod';
import {
  addresses,
  addressMap,
  bytes,
  choice,
  duration,
  type Field,
  filePath,
  integer,
  optionalBoolean,
  optionalBytes,
  optionalInteger,
  optionalText,
  port,
  secretText,
  text,
} from './field.ts';

const DAY_MS = 86_400_000;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

const intake = {
  port: port(8080, 'The port on which events are received.'),
  host: text(/^[A-Za-z0-9.:_-]+$/, '0.0.0.0', 'a host name or an IP address', 'The address all ports are bound to.'),
  'ingest.workers': optionalInteger(
    1,
    64,
    'Processes that take events on the one port; 1 where the system does not spread connections (macOS). Without it: one fewer than cores, at most 4, and no more than memory (256 MiB each, 80 MiB for their parent; half of all where Redis, batcher and uploader run beside) and `max_in_flight_bytes` have room for.',
  ),
  max_body_bytes: bytes(1, 256 * MIB, '16MiB', 'The largest request body, before and after it is decompressed.'),
  max_header_bytes: bytes(8 * KIB, MIB, '64KiB', 'All header fields of a request together.'),
  max_in_flight_bytes: bytes(
    1,
    16 * GIB,
    '64MiB',
    'Bodies that are being read or wait for Redis, all together; what comes on top waits.',
  ),
  hold_max: duration(
    0,
    60_000,
    '3s',
    'How long a request is held while Redis is away or full before it gets a 503. Below 5 s, the time Vanus waits.',
  ),
};

const objects = {
  bucket: optionalText(
    /^\S+$/,
    'the name of a bucket (3 to 63 lower-case letters, digits, dots and hyphens), or file:///absolute/directory',
    'Where objects go: a bucket, or a directory for plain files. Without it: the directory `objects` below `data_dir`.',
  ),
  region: optionalText(
    /^[a-z0-9-]{1,64}$/,
    'the name of a region, such as us-west-2',
    'The region of the bucket. Not needed when `AWS_REGION`, `AWS_DEFAULT_REGION` or the AWS profile has it; with an `endpoint` it is us-east-1 unless given.',
  ),
  endpoint: optionalText(
    /^https?:\/\/[^\s/@?#]+\/?$/,
    'an http:// or https:// address without path or credentials, such as http://seaweedfs:8333',
    'The address of an S3-compatible server. Without it: AWS.',
  ),
  force_path_style: optionalBoolean(
    'Whether the bucket stands in the path (`endpoint/bucket`) and not in the host name. Without it: true with an `endpoint`, else false.',
  ),
  prefix: text(
    /^(?!\/)(?!(?:.*\/)?\.{1,2}(?:\/|$))(?!.*\/\/)[^\p{Cc}\p{Cs}\\]{0,256}$/u,
    '',
    'up to 256 characters; no leading slash, no "//", no "." or ".." between slashes, no backslash or control characters',
    'Put in front of every object key as it is; a folder needs its slash at the end (`events/`).',
  ),
  if_none_match: choice(
    ['auto', 'off'],
    'auto',
    'Whether a PUT asks the store not to overwrite. `off` only for stores that do not know `If-None-Match`.',
  ),
  compression: choice(['none', 'gzip', 'zstd'], 'none', 'How objects are compressed.'),
  compression_level: optionalInteger(
    1,
    22,
    'Higher is smaller and slower: 1 to 9 with gzip, 1 to 22 with zstd; without effect with none. Without it: the default of the codec.',
  ),
  manifests: optionalBoolean(
    'Whether each folder gets a list of its objects with their counts and checksums, as an object of its own, once it is complete. Without it: false.',
  ),
  upload_concurrency: integer(1, 256, 8, 'Objects that one uploader sends at the same time.'),
  upload_timeout: duration(1000, 3_600_000, '5m', 'The longest one attempt to send an object may take.'),
};

const credentials = {
  'aws.access_key_id': secretText(
    'The id of the AWS access key. Without the pair: the AWS default chain (environment, profiles, IRSA, instance roles).',
  ),
  'aws.access_key_id_file': filePath('A file that holds `aws.access_key_id`.'),
  'aws.secret_access_key': secretText('The secret of the AWS access key.'),
  'aws.secret_access_key_file': filePath('A file that holds `aws.secret_access_key`.'),
  'aws.session_token': secretText('The session token of temporary credentials.'),
  'aws.session_token_file': filePath('A file that holds `aws.session_token`.'),
};

const batching = {
  flush_size: integer(1, 10_000_000, 1000, 'An object is closed when it has this many events.'),
  flush_bytes: bytes(1, 4 * GIB, '128MiB', 'An object is closed when it has this many uncompressed bytes.'),
  scheduled_interval: duration(
    100,
    86_400_000,
    60,
    'An object is closed this long after its first event, even when it is not full.',
  ),
  time_interval: choice(
    ['HOURLY', 'DAILY'],
    'HOURLY',
    'Whether there is a folder for each hour or for each day (UTC).',
  ),
  max_open_files: integer(1, 10_000, 64, 'Objects that one batcher fills at the same time.'),
  lease: duration(100, 300_000, '10s', 'How long a batcher may be silent before another one takes over its work.'),
};

const redis = {
  'redis.url': secretText(
    'Where Redis or Valkey is; rediss:// and valkeys:// are TLS. Without any address the sink runs a Redis of its own.',
    'an address, such as redis://user:password@host:6379/0, rediss://…, valkey://…, valkeys://… or unix:///path.sock',
  ),
  'redis.url_file': filePath('A file that holds `redis.url`.'),
  'redis.sentinels': addresses(26_379, 'The Sentinels, in place of `redis.url`.'),
  'redis.sentinel_master': optionalText(/^\S+$/, 'a name', 'The name of the master the Sentinels watch.'),
  'redis.sentinel_username': optionalText(/^\S+$/, 'a name', 'The user at the Sentinels themselves.'),
  'redis.sentinel_password': secretText('The password of the Sentinels themselves.'),
  'redis.sentinel_password_file': filePath('A file that holds `redis.sentinel_password`.'),
  'redis.sentinel_tls': optionalBoolean('TLS to the Sentinels as well. Without it: false.'),
  'redis.cluster_nodes': addresses(6379, 'Some nodes of a Redis Cluster, in place of `redis.url`.'),
  'redis.nat_map': addressMap('Where nodes are reached whose announced address is not reachable from here.'),
  'redis.username': optionalText(/^\S+$/, 'a name', 'The user. Beats the one in `redis.url`.'),
  'redis.password': secretText('The password. Beats the one in `redis.url`.'),
  'redis.password_file': filePath('A file that holds `redis.password`.'),
  'redis.db': optionalInteger(0, 65_535, 'The number of the database. Beats the one in `redis.url`. Without it: 0.'),
  'redis.tls': optionalBoolean('TLS. Without it: on with rediss://, or as soon as another `redis.tls_…` key is given.'),
  'redis.tls_ca_file': filePath('The certificates (PEM) that are trusted. Without it: those of Node.js.'),
  'redis.tls_cert_file': filePath('The certificate (PEM) this client shows.'),
  'redis.tls_key_file': filePath('The private key (PEM) of `redis.tls_cert_file`.'),
  'redis.tls_server_name': optionalText(
    /^[A-Za-z0-9._-]+$/,
    'a host name',
    'The name the certificate of Redis must have, when it is not the host.',
  ),
  'redis.tls_verify': optionalBoolean('False accepts any certificate. Without it: true.'),
};

const durability = {
  sink_name: text(
    /^[a-z0-9-]{1,64}$/,
    'sink-aws-s3',
    '1 to 64 lower-case letters, digits and hyphens',
    'The first half of every key in Redis. Several sinks on one Redis need a name each; the same name means the same sink.',
  ),
  lanes: integer(1, 64, 1, 'Streams in Redis. More than 1 spreads the load over the nodes of a Cluster.'),
  durability: choice(
    ['fsync', 'everysec', 'none', 'managed'],
    'fsync',
    'What a 2xx means. `fsync`: the event is fsynced by Redis. `everysec`: a crash of the machine can lose about a second of events. `none`: nothing is asked of Redis. `managed`: you vouch for a Redis whose settings can not be seen from here.',
  ),
  replicas: integer(0, 16, 0, 'How many replicas of Redis must have an event before its 2xx.'),
  max_backlog_bytes: optionalBytes(
    MIB,
    64 * TIB,
    'How much Redis may hold for this sink. Without it: 60 % of its `maxmemory`, less what receipts (also those that wait for a manifest) and fingerprints take. To be given for a Redis without `maxmemory`.',
  ),
  spill_at: optionalBytes(
    0,
    64 * TIB,
    'The backlog in Redis from which on events that wait for S3 move to files below `data_dir`, which are then the only copies. 0: they never do. Without it: half of `max_backlog_bytes`; never where `replicas` are asked for, because one disk is less than that.',
  ),
  max_spool_bytes: optionalBytes(
    MIB,
    64 * TIB,
    'How much disk the files of events that wait for S3 may take. Without it: what `disk_reserve_bytes` leaves.',
  ),
  disk_reserve_bytes: optionalBytes(
    0,
    64 * TIB,
    'Disk that the files of events leave free: a Redis on the same disk ends when it is full, so there it should be three times its memory. Without it: 1 GiB, but at most a tenth of the disk.',
  ),
  receipts_max: integer(
    1,
    10_000_000,
    200_000,
    'Receipts of uploaded objects that Redis keeps, 512 bytes each, per lane.',
  ),
  dedupe_window: duration(
    0,
    7 * DAY_MS,
    '0',
    'An event whose `source` and `id` were stored within this time is acknowledged and not stored again, over all replicas and restarts. 0: every accepted request is stored. To catch the slow retries of a broker it has to be longer than their distance (Vanus: an hour).',
  ),
  max_fingerprints: integer(
    1_000,
    1_000_000_000,
    1_000_000,
    'Events that Redis remembers for `dedupe_window`, 96 bytes each, per lane. With more, the oldest are forgotten early.',
  ),
};

const running = {
  data_dir: text(
    /^[^\0]+$/,
    './data',
    'the path of a directory',
    'Where the spool, the Redis of its own and plain file objects live. Relative to the working directory.',
  ),
  redis_port: port(0, 'The port of the Redis the sink runs itself.'),
  ingest_ops_port: port(9101, 'Health and metrics of ingest.'),
  batcher_ops_port: port(9102, 'Health and metrics of the batcher.'),
  uploader_ops_port: port(9103, 'Health and metrics of the uploader.'),
  stop_grace: duration(
    100,
    3_600_000,
    '25s',
    'How long stopping may take: intake ends, what is held is flushed and uploaded.',
  ),
  log_level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info', 'What the log keeps.'),
};

/** All keys, in the order and under the headings of the reference. */
export const sections = [
  { title: 'Receiving', fields: intake },
  { title: 'Objects', fields: objects },
  { title: 'AWS credentials', fields: credentials },
  { title: 'When an object is closed', fields: batching },
  { title: 'What is promised', fields: durability },
  { title: 'Redis', fields: redis },
  { title: 'Running', fields: running },
] as const satisfies readonly { title: string; fields: Readonly<Record<string, Field>> }[];

const known = {
  ...intake,
  ...objects,
  ...credentials,
  ...batching,
  ...durability,
  ...redis,
  ...running,
};

/** A key in its documented spelling; nested ones with a dot. */
export type SettingPath = keyof typeof known;

/** Every key with its rules: the one source of types, messages, reference and JSON Schema. */
export const settings: Readonly<Record<SettingPath, Field>> = known;

/** A key that exists. */
export function isSettingPath(path: string): path is SettingPath {
  return Object.hasOwn(known, path);
}

/** All keys, in the order of the reference. */
export const settingPaths: readonly SettingPath[] = Object.keys(known).filter(isSettingPath);

/** The same keys with their schemas; the cast says no more than what the expression does. */
const schemas = Object.fromEntries(settingPaths.map((path) => [path, known[path].schema])) as {
  [Path in SettingPath]: (typeof known)[Path]['schema'];
};
const settingsSchema = z.object(schemas);

/** What the keys mean once they are read: durations in milliseconds, sizes in bytes, defaults filled in. */
export type Settings = Readonly<z.output<typeof settingsSchema>>;

/** Reads values that were found good one by one; what is absent gets its default. */
export function readSettings(values: Readonly<Record<string, unknown>>): Settings {
  return settingsSchema.parse(values);
}

/** Keys whose meaning depends on other keys, or that are parts of a whole: resolve*.ts makes something else of them. */
const RESOLVED = [
  'bucket',
  'region',
  'endpoint',
  'force_path_style',
  'compression_level',
  'manifests',
  'spill_at',
  'data_dir',
] as const;
type ResolvedPath = (typeof RESOLVED)[number] | `aws.${string}` | `redis.${string}`;
type PlainPath = Exclude<SettingPath, ResolvedPath>;

type CamelCase<Key extends string> = Key extends `${infer Head}${'_' | '.'}${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key;

/** All other keys: `hold_max`, a duration, is `holdMaxMs`; null where the key is absent and has no default. */
export type PlainConfig = {
  readonly [Path in PlainPath as `${CamelCase<Path>}${(typeof known)[Path]['unit']}`]: undefined extends Settings[Path]
    ? Exclude<Settings[Path], undefined> | null
    : Settings[Path];
};

/** The names and values of `PlainConfig`; the cast says no more than what the expression does. */
export function plainConfig(read: Settings): PlainConfig {
  const resolved: readonly string[] = RESOLVED;
  return Object.fromEntries(
    settingPaths
      .filter((path) => !resolved.includes(path) && !/^(aws|redis)\./.test(path))
      .map((path) => [camelCase(path) + known[path].unit, read[path] ?? null]),
  ) as unknown as PlainConfig;
}

function camelCase(path: string): string {
  return path.replace(/[_.](.)/g, (_, letter: string) => letter.toUpperCase());
}

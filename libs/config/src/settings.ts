import { z } from 'zod';
import { awsSettings } from './aws-keys.ts';
import { camelCase, type CamelCase } from './camel-case.ts';
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
  optionalChoice,
  optionalInteger,
  optionalText,
  port,
  secretAddress,
  secretText,
  text,
  version,
} from './field.ts';
import { commaTexts } from './nested.ts';
import { partitionKeys } from './partition-keys.ts';
import { bucketKey, prefixKey, prefixText } from './place-keys.ts';
import { producersField } from './producers.ts';
import { putKeys } from './put-keys.ts';
import { retiredField, routesField } from './routes.ts';
import { sizeKeys } from './size-keys.ts';
import { validation } from './validation.ts';

const DAY_MS = 86_400_000;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

const HOST = /^[A-Za-z0-9.:_-]+$/;
const intake = {
  port: port(8080, 'The port on which ingest receives events.'),
  host: text(
    HOST,
    '0.0.0.0',
    'a host name or an IP address',
    'The address that the port is bound to, and the ports for health and metrics unless `ops_host` is given.',
  ),
  'ingest.workers': optionalInteger(
    1,
    64,
    'The number of processes that receive events on the port. Always 1 on systems other than Linux, because they do not distribute connections over processes. Default: the number of cores less one, but at most 4 and at most what `max_in_flight_bytes` and memory allow. Each process needs 256 MiB and their parent 80 MiB; only half of the memory counts if Redis, batcher and uploader run on the same machine.',
  ),
  max_body_bytes: bytes(1, 256 * MIB, '16MiB', 'The size limit of a request body, both compressed and decompressed.'),
  max_header_bytes: bytes(8 * KIB, MIB, '64KiB', 'The size limit of all header fields of a request together.'),
  max_in_flight_bytes: bytes(
    1,
    16 * GIB,
    '64MiB',
    'The size limit of all request bodies that ingest is reading or that wait for Redis. Further requests wait, and bodies that come slowly are refused. Only one body at a time may grow above the limit.',
  ),
  keep_alive_timeout: duration(
    1_000,
    86_400_000,
    '100s',
    'How long ingest keeps an idle connection. Set it above the idle timeout of the load balancer in front of ingest, because a request that arrives while the connection is being closed is lost. The default is above the 90 s of Go clients.',
  ),
  attribute_encoding: choice(
    ['auto', 'percent', 'raw'],
    'auto',
    'Whether the values of `ce-…` headers are percent-encoded. `percent`: always, as the specification says. `raw`: never, as most SDKs send them. `auto` decides for each message by its id, source, subject, type and dataschema; messages of Vanus and Knative are `raw`.',
  ),
  malformed_json: choice(
    ['store', 'refuse'],
    'store',
    'What happens to an event whose data is declared as JSON and is not, or has an unpaired surrogate: its exact bytes are stored as `data_base64`, or it is refused with 400.',
  ),
  lenient_content_type: optionalBoolean(
    'Whether a body with `Content-Type: application/json` and without `ce-…` headers is taken as a CloudEvent in JSON, or as a batch if it is an array. Otherwise it is refused with 400. For senders that cannot set `application/cloudevents+json`. Default: false.',
  ),
  on_invalid: choice(
    ['reject', 'quarantine'],
    'reject',
    'What becomes of an event that is not valid. `reject`: its request gets a 4xx, and nothing of it is stored. `quarantine`: it is kept as evidence below `quarantine_prefix`, the valid events of its batch are stored, and the request gets 202 ([Quarantine](quarantine.md)).',
  ),
  quarantine_max_bytes: bytes(
    KIB,
    64 * MIB,
    '1MiB',
    'The size limit of a line in quarantine. A request with an event whose line would be larger is refused with a 4xx.',
  ),
  quarantine_max_per_second: integer(
    1,
    10_000,
    100,
    'The number of events that each process of ingest puts in quarantine in a second. A request with more than may be put there at that moment is refused with a 4xx.',
  ),
  stop_delay: duration(
    0,
    600_000,
    '0s',
    'How long ingest goes on receiving after it was asked to stop: it is not ready, and each answer ends its connection, so that load balancers and clients leave before the port closes. In Kubernetes, 5 s are enough. At most half of `stop_grace`, to which it counts.',
  ),
  hold_max: duration(
    0,
    60_000,
    '3s',
    'How long ingest holds a request while Redis is unreachable or full. After that it answers 503. The default is below 5 s, after which Vanus gives up.',
  ),
};

const tls = {
  'tls.cert_file': filePath(
    'The path of the certificate of the port (PEM), followed by those of the authorities between it and the root. With it the port takes HTTPS only. It is read again when it changes, without a restart.',
  ),
  'tls.key_file': filePath('The path of the private key (PEM, without a passphrase) of `tls.cert_file`.'),
  'tls.min_version': version(['1.2', '1.3'], '1.2', 'The lowest version of TLS that the port takes.'),
  'tls.client_ca_file': filePath(
    'The path of the certificates (PEM) of the authorities that issue certificates to clients. Clients are then asked for a certificate; one that comes without, or whose certificate does not verify, is a client without a certificate.',
  ),
};

const senders = {
  producers: producersField,
  webhook_allowed_origins: commaTexts(
    /^(\*|[A-Za-z0-9.:_-]{1,255})$/,
    100,
    'a host name, as brokers send it in `WebHook-Request-Origin`, or *',
    'Which origins an OPTIONS request allows to send. It lets nobody in: only `producers` does. Default: any.',
  ),
};

const objects = {
  bucket: bucketKey,
  region: optionalText(
    /^[a-z0-9-]{1,64}$/,
    'the name of a region, such as us-west-2',
    'The region of the bucket. Not needed if `AWS_REGION`, `AWS_DEFAULT_REGION` or the AWS profile names it. Default with an `endpoint`: us-east-1.',
    (given) => given.trim().toLowerCase(),
  ),
  endpoint: optionalText(
    /^https?:\/\/[^\s/@?#]+\/?$/,
    'an http:// or https:// address without path or credentials, such as http://seaweedfs:8333',
    'The address of an S3-compatible server. Default: that of `AWS_ENDPOINT_URL_S3`, of `AWS_ENDPOINT_URL` or of the AWS profile (`endpoint_url`), unless `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is true; otherwise AWS.',
    // Neither the scheme nor a host has capitals, and there is no path.
    (given) => given.trim().toLowerCase().replace(/\/+$/, ''),
  ),
  endpoint_ca_file: filePath(
    'The path of a file with certificates (PEM) of authorities that the sink trusts for S3 and STS, beside the usual ones. Default: that of `AWS_CA_BUNDLE` or of the AWS profile (`ca_bundle`).',
  ),
  proxy_url: secretAddress(
    /^(none|https?:\/\/[^\s/?#]+\/?)$/i,
    'an http:// or https:// address of a proxy, with credentials if it wants some, or none',
    'The proxy through which the sink reaches S3 and STS; `none`: no proxy. Default: `HTTPS_PROXY` for https:// addresses and `HTTP_PROXY` for http:// addresses, but not for hosts that `NO_PROXY` lists, nor for this machine. Redis and instance metadata are never reached through a proxy.',
  ),
  force_path_style: optionalBoolean(
    'Whether the name of the bucket is part of the path (`endpoint/bucket`) instead of the host name. Default: true with an `endpoint`, otherwise false.',
  ),
  use_fips: optionalBoolean(
    'Whether S3 and STS are reached at their FIPS endpoints, which AWS has in the United States and Canada. Not with an `endpoint`. Default: as `AWS_USE_FIPS_ENDPOINT` or the AWS profile says, otherwise false.',
  ),
  use_dualstack: optionalBoolean(
    'Whether S3 and STS are reached at their endpoints with IPv6 and IPv4. Not with an `endpoint`. Default: as `AWS_USE_DUALSTACK_ENDPOINT` or the AWS profile says, otherwise false.',
  ),
  accelerate: optionalBoolean(
    'Whether S3 is reached through S3 Transfer Acceleration, which the bucket must have enabled. Not with an `endpoint`. Default: false.',
  ),
  prefix: prefixKey,
  quarantine_prefix: prefixText(
    'quarantine/',
    'The text at the start of the key of every object with quarantined events, in place of `prefix`.',
  ),
  if_none_match: choice(
    ['auto', 'off'],
    'auto',
    'Whether a PUT asks the store not to overwrite an object. Use `off` only for stores that do not support `If-None-Match`.',
  ),
  ...putKeys,
  manifests: optionalBoolean(
    'Whether the uploader adds a manifest to each folder that is complete: an object that lists the objects of the folder with their counts and checksums. Default: false.',
  ),
  manifest_after: duration(
    1000,
    604_800_000,
    '1h',
    'With `manifests`: how long after its last object a folder is listed that no time ends (time of events, or a template). What comes later is listed by a further manifest.',
  ),
  upload_concurrency: integer(1, 256, 8, 'The number of objects that one uploader sends at the same time.'),
  upload_timeout: duration(1000, 3_600_000, '5m', 'The time limit of one attempt to send an object.'),
};

const routing = {
  routes: routesField,
  routes_retired: retiredField,
};

const batching = {
  ...sizeKeys,
  ...partitionKeys,
  max_partitions: integer(
    1,
    1_000_000,
    1000,
    'How many paths, of all routes, one process of ingest appends to within `scheduled_interval`. Events that would need another one go to `other/` below the prefix, and there to the time when they were accepted.',
  ),
  max_open_files: integer(
    1,
    10_000,
    64,
    'The number of files that one batcher fills at the same time. An object has a file from 64 KiB on; smaller ones are in memory. For another file, the batcher closes the one that it opened first.',
  ),
  max_open_bytes: bytes(
    MIB,
    4 * GIB,
    '64MiB',
    'The memory of one batcher for objects of less than 64 KiB, uncompressed, with 2.5 KiB for each object and 192 bytes for each piece of it. Beyond it, the batcher closes the object that it opened first.',
  ),
  lease: duration(100, 300_000, '10s', 'How long a batcher may be silent before another batcher takes over its work.'),
};

const redis = {
  'redis.url': secretText(
    'The address of Redis or Valkey; rediss:// and valkeys:// use TLS. Without an address, the sink runs a Redis of its own.',
    'an address, such as redis://user:password@host:6379/0, rediss://…, valkey://…, valkeys://… or unix:///path.sock',
  ),
  'redis.url_file': filePath('The path of a file that contains `redis.url`.'),
  'redis.sentinels': addresses(26_379, 'The addresses of Sentinels, instead of `redis.url`.'),
  'redis.sentinel_master': optionalText(/^\S+$/, 'a name', 'The name of the master that the Sentinels monitor.'),
  'redis.sentinel_username': optionalText(/^\S+$/, 'a name', 'The user name for the Sentinels themselves.'),
  'redis.sentinel_password': secretText('The password for the Sentinels themselves.'),
  'redis.sentinel_password_file': filePath('The path of a file that contains `redis.sentinel_password`.'),
  'redis.sentinel_tls': optionalBoolean('Whether connections to the Sentinels use TLS as well. Default: false.'),
  'redis.cluster_nodes': addresses(6379, 'The addresses of some nodes of a Redis Cluster, instead of `redis.url`.'),
  'redis.nat_map': addressMap('The addresses to use for nodes whose announced address cannot be reached from here.'),
  'redis.username': optionalText(/^\S+$/, 'a name', 'The user name. Overrides the one in `redis.url`.'),
  'redis.password': secretText('The password. Overrides the one in `redis.url`.'),
  'redis.password_file': filePath('The path of a file that contains `redis.password`.'),
  'redis.db': optionalInteger(0, 65_535, 'The number of the database. Overrides the one in `redis.url`. Default: 0.'),
  'redis.tls': optionalBoolean(
    'Whether connections use TLS. Default: true with rediss:// or if another `redis.tls_…` key is given, otherwise false.',
  ),
  'redis.tls_ca_file': filePath('The path of the trusted certificates (PEM). Default: the certificates of Node.js.'),
  'redis.tls_cert_file': filePath('The path of the client certificate (PEM).'),
  'redis.tls_key_file': filePath('The path of the private key (PEM) of `redis.tls_cert_file`.'),
  'redis.tls_server_name': optionalText(
    /^[A-Za-z0-9._-]+$/,
    'a host name',
    'The name that the certificate of Redis must contain, if it is not the host name.',
  ),
  'redis.tls_verify': optionalBoolean('Whether the certificate of Redis is verified. Default: true.'),
};

const durability = {
  sink_name: text(
    /^[a-z0-9-]{1,64}$/,
    'sink-aws-s3',
    '1 to 64 lower-case letters, digits and hyphens',
    'The name at the start of every key in Redis. Give each sink on a Redis its own name: processes with the same name belong to the same sink.',
  ),
  lanes: integer(1, 64, 1, 'The number of streams in Redis. With more than 1, the nodes of a Cluster share the load.'),
  durability: choice(
    ['fsync', 'everysec', 'none', 'managed'],
    'fsync',
    'What a 2xx guarantees. `fsync`: Redis has written the event to disk with fsync. `everysec`: a crash of the machine can lose about one second of events. `none`: the sink requires nothing of Redis. `managed`: you answer for the settings of a Redis that does not show them.',
  ),
  replicas: integer(0, 16, 0, 'The number of Redis replicas that must have an event before ingest answers 2xx.'),
  max_backlog_bytes: optionalBytes(
    MIB,
    64 * TIB,
    'The size limit of the events that Redis stores for this sink. Default: 60 % of the `maxmemory` of Redis, less the memory of fingerprints and receipts (including receipts that wait for a manifest). Required for a Redis without `maxmemory`. Where the sink runs its own Redis on a small disk, the defaults of this key, `receipts_max`, `max_fingerprints`, `max_body_bytes` and `max_spool_bytes` are lower.',
  ),
  spill_at: optionalBytes(
    0,
    64 * TIB,
    'The size of the backlog in Redis above which events that wait for S3 move to files in `data_dir`. These files are then the only copies. 0 disables this. Default: half of `max_backlog_bytes`; disabled if `replicas` is above 0, because a single disk is less durable than replicas.',
  ),
  max_spool_bytes: optionalBytes(
    MIB,
    64 * TIB,
    'The size limit of the files with events that wait for S3. Default: the disk, less `disk_reserve_bytes` and less what a Redis that the sink runs itself needs on it.',
  ),
  disk_reserve_bytes: optionalBytes(
    0,
    64 * TIB,
    'The disk space that the files with events leave free. A Redis on the same disk stops when the disk is full; reserve three times its memory for it. For a Redis that it runs itself, the sink plans this. Default: 1 GiB, but at most a tenth of the disk.',
  ),
  receipts_max: integer(
    1,
    10_000_000,
    200_000,
    'The number of receipts of uploaded objects that Redis keeps per lane. A receipt needs 512 bytes.',
  ),
  dedupe_window: duration(
    0,
    7 * DAY_MS,
    '0',
    'For how long the sink recognizes duplicates: if an event with the same `source` and `id` was stored within this time, ingest answers 2xx and does not store the event again. This holds across replicas and restarts. 0 disables it. It must be longer than the time between two retries of the broker (Vanus: an hour).',
  ),
  max_fingerprints: integer(
    1_000,
    1_000_000_000,
    1_000_000,
    'The number of events per lane that Redis remembers for `dedupe_window`. Each needs 96 bytes. Above this number, Redis forgets the oldest ones before the window ends.',
  ),
};

const running = {
  data_dir: text(
    /^[^\0]+$/,
    './data',
    'the path of a directory',
    'The directory of the spool, of objects in plain files and of the Redis that the sink runs itself. Relative to the working directory.',
  ),
  redis_port: port(0, 'The port of the Redis that the sink runs itself.'),
  ops_host: optionalText(
    HOST,
    'a host name or an IP address',
    'The address that the ports for health and metrics are bound to. They have no TLS and no authentication. Default: that of `host`.',
  ),
  ingest_ops_port: port(9101, 'The port for health and metrics of ingest.'),
  batcher_ops_port: port(9102, 'The port for health and metrics of the batcher.'),
  uploader_ops_port: port(9103, 'The port for health and metrics of the uploader.'),
  stop_grace: duration(
    100,
    3_600_000,
    '25s',
    'The time limit for stopping. In this time the sink stops receiving events, and stores and uploads those that it has received.',
  ),
  log_level: choice(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'info',
    'The lowest level of lines that are logged.',
  ),
  log_format: optionalChoice(
    ['json', 'ecs', 'pretty'],
    'What a line of the log looks like. `json`: the fields of [Logs](logs.md). `ecs`: JSON in the Elastic Common Schema. `pretty`: text for people. Default: `pretty` on a terminal, otherwise `json`.',
  ),
};

/** All keys, in the order and under the headings of the reference. */
export const sections = [
  { title: 'Receiving', fields: intake },
  { title: 'TLS on the port', fields: tls },
  { title: 'Who may send', fields: senders },
  { title: 'Validation', fields: validation },
  { title: 'Objects', fields: objects },
  { title: 'AWS credentials', fields: awsSettings },
  { title: 'When an object is closed', fields: batching },
  { title: 'Routes', fields: routing },
  { title: 'Durability and limits', fields: durability },
  { title: 'Redis', fields: redis },
  { title: 'Running', fields: running },
] as const satisfies readonly { title: string; fields: Readonly<Record<string, Field>> }[];

const known = {
  ...intake,
  ...tls,
  ...senders,
  ...validation,
  ...objects,
  ...awsSettings,
  ...batching,
  ...routing,
  ...durability,
  ...redis,
  ...running,
};

/** A key in its documented spelling; nested keys contain a dot. */
export type SettingPath = keyof typeof known;

/** Every key with its rules: the only source of types, messages, reference and JSON Schema. */
export const settings: Readonly<Record<SettingPath, Field>> = known;

/** A key that exists. */
export function isSettingPath(path: string): path is SettingPath {
  return Object.hasOwn(known, path);
}

/** All keys, in the order of the reference. */
export const settingPaths: readonly SettingPath[] = Object.keys(known).filter(isSettingPath);

/** The same keys with their schemas. The cast states what the expression does. */
const schemas = Object.fromEntries(settingPaths.map((path) => [path, known[path].schema])) as {
  [Path in SettingPath]: (typeof known)[Path]['schema'];
};
const settingsSchema = z.object(schemas);

/** The values of the keys: durations in milliseconds, sizes in bytes, defaults filled in. */
export type Settings = Readonly<z.output<typeof settingsSchema>>;

/** Reads values that are valid one by one. Absent keys get their defaults. */
export function readSettings(values: Readonly<Record<string, unknown>>): Settings {
  return settingsSchema.parse(values);
}

/**
 * Keys that depend on other keys, or are parts of a larger value: resolve*.ts turns them into members of SinkConfig.
 */
const RESOLVED = [
  'producers',
  'routes',
  'routes_retired',
  'bucket',
  'region',
  'endpoint',
  'endpoint_ca_file',
  'proxy_url',
  'force_path_style',
  'use_fips',
  'use_dualstack',
  'accelerate',
  'compression_level',
  'manifests',
  'spill_at',
  'ops_host',
  'data_dir',
] as const;
type ResolvedPath = (typeof RESOLVED)[number] | `aws.${string}` | `redis.${string}`;
type PlainPath = Exclude<SettingPath, ResolvedPath>;

/** All other keys: `hold_max`, a duration, becomes `holdMaxMs`. A key that is absent and has no default is null. */
export type PlainConfig = {
  readonly [Path in PlainPath as `${CamelCase<Path>}${(typeof known)[Path]['unit']}`]: undefined extends Settings[Path]
    ? Exclude<Settings[Path], undefined> | null
    : Settings[Path];
};

/** The names and values of `PlainConfig`. The cast states what the expression does. */
export function plainConfig(read: Settings): PlainConfig {
  const resolved: readonly string[] = RESOLVED;
  return Object.fromEntries(
    settingPaths
      .filter((path) => !resolved.includes(path) && !/^(aws|redis)\./.test(path))
      .map((path) => [memberName(path), read[path] ?? null]),
  ) as unknown as PlainConfig;
}

/** The name of a key in SinkConfig: `hold_max` is `holdMaxMs`. */
export function memberName(path: SettingPath): string {
  return camelCase(path) + known[path].unit;
}

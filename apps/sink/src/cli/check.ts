import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  describeConfigFile,
  endsWithSlot,
  type Environment,
  formatBytes,
  formatDuration,
  layoutOf,
  loadConfig,
  portAddress,
  type RedisSettings,
  type SinkConfig,
} from '@sink/config';
import { createObjectStore, ObjectStoreError } from '@sink/objects';
import { describeOtherSinks, type RedisExamination } from '@sink/redis';
import { EXIT_FAILED, EXIT_OK, systemClock, transientStorage } from '@sink/runtime';
import { REDIS_SERVER_REMEDY, redisServer, redisServerVersion } from '../own-redis/own-redis.ts';
import { describeLowered, planVolume } from '../own-redis/volume.ts';
import { closedWhen, objectsPath } from '../supervisor/announcement.ts';
import { checkProducerFiles, producersInWords } from './check-producers.ts';
import { attachRedis, connectTool, toolConnected } from './attached-redis.ts';

const LIMITS = { redisMs: 10_000, bucketMs: 30_000 };
/** The share of a limit after which the client is told to end. It may not obey: AWS credentials come from anywhere. */
const CLIENT_SHARE = 0.9;

export interface CheckOptions {
  readonly config: SinkConfig;
  readonly env: Environment;
  readonly write: (line: string) => void;
  /** How long Redis and the bucket may take. */
  readonly limits?: { readonly redisMs: number; readonly bucketMs: number };
}

const FAILOVER_IN_WORDS: Readonly<Record<RedisExamination['topology']['failover'], string>> = {
  none: 'no replica takes over when it fails',
  safe: 'a failover loses no event that was answered with 2xx',
  planned_safe: 'a planned failover loses no event that was answered with 2xx',
  lossy: 'a failover can lose events that were answered with 2xx',
};

/** The result of one attempt: warnings if it succeeded, the reason if it failed. */
type Finding =
  | {
      readonly ok: true;
      readonly found: string;
      readonly warnings: readonly string[];
      /** What an operator may want to know, without anything being wrong. */
      readonly notes?: readonly string[];
    }
  | { readonly ok: false; readonly problem: string; readonly remedy?: string };

/** Explains the configuration and tries Redis and the bucket. Resolves to the exit code: 0 when both work. */
export async function check({ config, env, write, limits = LIMITS }: CheckOptions): Promise<number> {
  const file = describeConfigFile(config.configFile);
  write(`${file.charAt(0).toUpperCase()}${file.slice(1)}.`);
  write('The configuration is valid. It means:');
  for (const [name, meaning] of meanings(config)) write(`  ${name.padEnd(12)} ${meaning}`);
  for (const warning of config.warnings) write(`warning: ${warning}`);
  write('');
  const redis = await within(limits.redisMs, (clientMs) => checkRedis(config, env, clientMs));
  report('Redis', redis, write);
  const bucket = await within(limits.bucketMs, (clientMs) => checkBucket(config, clientMs));
  report('Bucket', bucket, write);
  const producers = checkProducers(config);
  if (producers !== null) report('Producers', producers, write);
  return redis.ok && bucket.ok && producers?.ok !== false ? EXIT_OK : EXIT_FAILED;
}

/** Null: there are none. */
function checkProducers({ producers }: SinkConfig): Finding | null {
  if (producers.length === 0) return null;
  const { problems, warnings } = checkProducerFiles(producers);
  if (problems.length === 0) return { ok: true, found: 'the files of all producers can be read', warnings };
  return { ok: false, problem: problems.join('; '), remedy: 'ingest does not start without these files' };
}

function slotInWords({ timeInterval }: SinkConfig): string {
  switch (timeInterval) {
    case 'HOURLY':
      return 'hour';
    case 'DAILY':
      return 'day';
    case 'MONTHLY':
      return 'month';
    default:
      return `${timeInterval.slice('MINUTES_'.length)} minutes`;
  }
}

/** The configuration in plain words. */
export function meanings(config: SinkConfig): readonly (readonly [name: string, meaning: string])[] {
  const slot = slotInWords(config);
  const level = config.compressionLevel === undefined ? '' : `, level ${config.compressionLevel}`;
  const backlog = config.maxBacklogBytes === null ? '60 % of its maxmemory' : formatBytes(config.maxBacklogBytes);
  return [
    ['receives', `CloudEvents by POST on ${portAddress(config)}/ (bound to ${config.host})`],
    ['who may send', producersInWords(config.producers)],
    ['a 2xx means', `${durabilityInWords(config)}; until then a request is held ${formatDuration(config.holdMaxMs)}`],
    ['backlog', `at most ${backlog} in Redis; above that, producers get 503`],
    ['Redis', redisInWords(config)],
    [
      'objects',
      `${objectsPath(config, systemClock.wallMs())}${layoutOf(config).isSlot ? ` at this ${slot}` : ''}${bucketInWords(config)}`,
    ],
    ...routesInWords(config),
    [
      'written',
      `${closedWhen(config)}${endsWithSlot(config) ? `, and at the end of the ${slot} (${config.timeZone})` : ''}`,
    ],
    ['compression', config.compression === 'none' ? 'none' : `${config.compression}${level}`],
    ['data', `${config.dataDir} (spool${config.redis === null ? ', Redis' : ''})`],
    [
      'health',
      `/readyz and /metrics on ports ${config.ingestOpsPort}, ${config.batcherOpsPort} and ${config.uploaderOpsPort} (bound to ${config.opsHost})`,
    ],
  ];
}

function durabilityInWords({ durability, replicas }: SinkConfig): string {
  const meaning = {
    fsync: 'the event is fsynced by Redis',
    everysec: 'Redis has the event, and fsyncs within about a second',
    none: 'Redis has the event in memory',
    managed: 'Redis has the event; how durable that is, is up to the provider of Redis',
  }[durability];
  return replicas === 0 ? meaning : `${meaning}, and ${replicas} replicas have it`;
}

function redisInWords({ redis, redisPort, sinkName }: SinkConfig): string {
  if (redis === null)
    return `the sink starts its own, on 127.0.0.1 port ${redisPort === 0 ? '(a free one)' : redisPort}`;
  return `${placeOf(redis)}, database ${redis.db}${redis.tls === null ? '' : ', TLS'}; keys begin with {${sinkName}:`;
}

function placeOf({ target }: RedisSettings): string {
  const list = (nodes: readonly { host: string; port: number }[]): string =>
    nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
  switch (target.kind) {
    case 'single':
      return `${target.host}:${target.port}`;
    case 'socket':
      return target.path;
    case 'sentinel':
      return `${target.masterName}, found by the Sentinels ${list(target.sentinels)}`;
    case 'cluster':
      return `the Cluster at ${list(target.nodes)}`;
  }
}

/** The routes with a bucket or credentials of their own. */
function routesInWords({ routes }: SinkConfig): readonly (readonly [name: string, meaning: string])[] {
  return routes.flatMap(({ name, own: { bucket } }) => {
    if (bucket === undefined) return [];
    const place = bucket.kind === 's3' ? `the bucket ${bucket.name}` : bucket.directory;
    return [['route', `${name}: to ${place}${bucketInWords({ bucket })}`] as const];
  });
}

function bucketInWords({ bucket }: Pick<SinkConfig, 'bucket'>): string {
  if (bucket.kind === 'file') return ', as plain files';
  const { endpoint, endpointFrom = 'endpoint', region, proxy } = bucket;
  const isKey = bucket.credentials !== undefined && bucket.role === undefined;
  const credentials = isKey ? 'the configured key' : bucket.credentialsFrom;
  const from = endpointFrom === 'endpoint' ? '' : ` (${endpointFrom})`;
  const place = endpoint === undefined ? `AWS ${region ?? ''}`.trim() : `${endpoint}${from}`;
  const through = proxy === undefined ? '' : `, through the proxy ${proxy.shown}`;
  return `, at ${place}${through}, credentials from ${credentials}`;
}

/** A part of the check that never hangs: `check` exits with its findings, whatever is still open. */
async function within(limitMs: number, part: (clientMs: number) => Promise<Finding>): Promise<Finding> {
  const late: Finding = { ok: false, problem: `no answer within ${formatDuration(limitMs)}` };
  return Promise.race([part(limitMs * CLIENT_SHARE), systemClock.sleep(limitMs).then(() => late)]);
}

function checkOwnRedis(env: Environment, config: SinkConfig): Finding {
  const server = redisServer(env);
  const version = redisServerVersion(server);
  if (version === null) return { ok: false, problem: `${server} cannot be run`, remedy: REDIS_SERVER_REMEDY };
  const transient = transientStorage(join(config.dataDir, 'redis'));
  const plan = planVolume(config);
  const problems = plan?.problems.map(({ key, given, allowed }) => `${key}: given ${given}; allowed: ${allowed}`) ?? [];
  if (problems.length > 0) return { ok: false, problem: problems.join('; ') };
  const lowered = plan === null ? null : describeLowered(plan);
  const warnings = [transient, lowered].filter((warning) => warning !== null);
  return { ok: true, found: `${server} is ${version}; the sink starts it`, warnings };
}

/** The sink's own Redis, if it has stored anything yet, is started for this unless it runs. */
async function notesOfOwnRedis(env: Environment, config: SinkConfig, timeoutMs: number): Promise<readonly string[]> {
  if (!existsSync(join(config.dataDir, 'redis', 'appendonlydir'))) return [];
  try {
    const own = await attachRedis(config, env, AbortSignal.timeout(timeoutMs));
    const { redis } = loadConfig({ env: { SINK_REDIS_URL: own.url ?? undefined }, readText: () => 'missing' });
    const client = connectTool({ ...config, redis });
    try {
      await toolConnected(client, { ...config, redis }, timeoutMs);
      return await describeOtherSinks(client, config.sinkName, { shared: false });
    } finally {
      client.disconnect();
      await own.release();
    }
  } catch (error) {
    return [`its Redis could not be looked into: ${messageOf(error)}`];
  }
}

async function checkRedis(config: SinkConfig, env: Environment, timeoutMs: number): Promise<Finding> {
  const { redis: settings } = config;
  if (settings === null) {
    const finding = checkOwnRedis(env, config);
    return finding.ok ? { ...finding, notes: await notesOfOwnRedis(env, config, timeoutMs) } : finding;
  }
  const client = connectTool(config);
  try {
    const examination = await toolConnected(client, config, timeoutMs);
    const found = `${examination.version} at ${placeOf(settings)}; room for ${formatBytes(examination.backlogBytesMax)}; ${FAILOVER_IN_WORDS[examination.topology.failover]}`;
    const notes = await describeOtherSinks(client, config.sinkName);
    return { ok: true, found, warnings: examination.warnings, notes };
  } catch (error) {
    return { ok: false, problem: `${placeOf(settings)}: ${messageOf(error)}` };
  } finally {
    client.disconnect();
  }
}

async function checkBucket(config: SinkConfig, timeoutMs: number): Promise<Finding> {
  const store = createObjectStore(config.bucket, config);
  try {
    const { location, warnings } = await store.check(AbortSignal.timeout(timeoutMs), 'thorough');
    return { ok: true, found: `${location} accepts objects`, warnings };
  } catch (error) {
    const remedy = error instanceof ObjectStoreError ? error.remedy : undefined;
    return { ok: false, problem: messageOf(error), ...(remedy === undefined ? {} : { remedy }) };
  } finally {
    store.close();
  }
}

function report(what: string, finding: Finding, write: (line: string) => void): void {
  if (!finding.ok) {
    write(`${what}: FAILED: ${finding.problem}`);
    if (finding.remedy !== undefined) write(`  remedy: ${finding.remedy}`);
    return;
  }
  write(`${what}: ok: ${finding.found}`);
  for (const warning of finding.warnings) write(`  warning: ${warning}`);
  for (const note of finding.notes ?? []) write(`  note: ${note}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

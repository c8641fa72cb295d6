import type { Durability } from '@sink/config';
import { Cluster, type Redis } from 'ioredis';
import { parseInfo, settingsOf } from './server-settings.ts';

/** What is asked of Redis; the sink's own configuration says so. */
export interface Requirements {
  readonly durability: Durability;
  /** Bytes the sink may keep in Redis over all lanes; null: as much as is right for this Redis. */
  readonly maxBacklogBytes: number | null;
  readonly receiptsMax: number;
}

export interface RedisExamination {
  readonly version: string;
  readonly features: { readonly waitaof: boolean };
  readonly backlogBytesMax: number;
  /** What the operator accepts on purpose, or should know. */
  readonly warnings: readonly string[];
}

/** This Redis can not keep what the configuration promises. Every problem says how to put it right. */
export class RedisUnfit extends Error {
  readonly code = 'redis_unfit';
  readonly retryable = false;
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`examining Redis:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'RedisUnfit';
    this.problems = problems;
  }
}

/** The share of maxmemory that the sink's own data may fill: BullMQ can not work at maxmemory (design, section 6). */
const MAXMEMORY_SHARE = 0.6;
/** What one receipt takes in Redis, in bytes, rounded up. */
const RECEIPT_BYTES = 512;
const BACKLOG_BYTES_MIN = 8 * 1024 * 1024;
/** The backlog where Redis' limit can not be seen and the configuration says none. */
const BACKLOG_BYTES_UNSEEN = 512 * 1024 * 1024;

/**
 * Examines a Redis (every master of a Cluster) against what the configuration asks for.
 * @throws RedisUnfit when it can not keep it; whatever the connection throws when there is no answer
 */
export async function examineRedis(redis: Redis | Cluster, required: Requirements): Promise<RedisExamination> {
  const servers = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const examinations: RedisExamination[] = [];
  for (const server of servers) examinations.push(await examineServer(server, required));
  const [first] = examinations;
  if (!first) throw new RedisUnfit(['the Cluster has no master; is it set up?']);
  return {
    version: first.version,
    features: { waitaof: examinations.every(({ features }) => features.waitaof) },
    backlogBytesMax: Math.min(...examinations.map(({ backlogBytesMax }) => backlogBytesMax)),
    warnings: [...new Set(examinations.flatMap(({ warnings }) => warnings))],
  };
}

async function examineServer(server: Redis, required: Requirements): Promise<RedisExamination> {
  const info = parseInfo(await server.info());
  const settings = await settingsOf(server, info);
  const problems: string[] = [];
  const warnings: string[] = [];
  const managed = required.durability === 'managed';
  const unseen = (name: string): void => {
    if (managed) warnings.push(`${name} can not be seen; durability: managed says it is right`);
    else problems.push(`${name} can not be seen (CONFIG is forbidden): set durability: managed if you vouch for it`);
  };

  const version = info.get('redis_version') ?? '0';
  if (Number.parseInt(version, 10) < 7)
    problems.push(`version ${version} is too old: Redis or Valkey 7.0 or newer is needed`);

  const policy = settings.get('maxmemory-policy');
  if (policy === undefined) unseen('maxmemory-policy');
  else if (policy !== 'noeviction') {
    problems.push(`maxmemory-policy is ${policy}: events could be evicted; set maxmemory-policy noeviction`);
  }

  const backlogBytesMax = backlogLimit(Number(settings.get('maxmemory') ?? Number.NaN), required, problems, warnings);
  examineDurability(required.durability, settings, unseen, problems, warnings);
  if (problems.length > 0) throw new RedisUnfit(problems);
  return { version, features: { waitaof: atLeast(version, 7, 2) }, backlogBytesMax, warnings };
}

function backlogLimit(maxmemory: number, required: Requirements, problems: string[], warnings: string[]): number {
  const { maxBacklogBytes, durability, receiptsMax } = required;
  if (Number.isNaN(maxmemory) || maxmemory === 0) {
    if (maxmemory === 0 && durability !== 'managed') {
      problems.push('maxmemory is not set: a full machine would kill Redis; set maxmemory, such as maxmemory 1gb');
    } else warnings.push('maxmemory can not be seen or is not set; max_backlog_bytes is the only limit');
    return maxBacklogBytes ?? BACKLOG_BYTES_UNSEEN;
  }
  const limit = Math.floor(maxmemory * MAXMEMORY_SHARE) - receiptsMax * RECEIPT_BYTES;
  if (limit < BACKLOG_BYTES_MIN) {
    problems.push(
      `maxmemory ${maxmemory} is too small: 60 % of it must hold ${receiptsMax} receipts of ${RECEIPT_BYTES} bytes and a backlog; raise maxmemory or lower receipts_max`,
    );
  } else if (maxBacklogBytes !== null && maxBacklogBytes > limit) {
    problems.push(
      `max_backlog_bytes ${maxBacklogBytes} is more than 60 % of maxmemory (${maxmemory}) less the receipts: at most ${limit}; lower it or raise maxmemory`,
    );
  }
  return Math.min(maxBacklogBytes ?? limit, limit);
}

function examineDurability(
  durability: Durability,
  settings: ReadonlyMap<string, string>,
  unseen: (name: string) => void,
  problems: string[],
  warnings: string[],
): void {
  if (durability === 'none') {
    warnings.push('durability: none: a 2xx does not mean that the event survives Redis');
    return;
  }
  const appendonly = settings.get('appendonly');
  if (appendonly === undefined) unseen('appendonly');
  else if (appendonly !== 'yes')
    problems.push('appendonly is no: set appendonly yes, or accept losses with durability: none');
  const fsync = settings.get('appendfsync');
  if (durability === 'everysec') {
    warnings.push('durability: everysec: about a second of acknowledged events can be lost with the machine');
    if (fsync === 'no') problems.push('appendfsync is no: set appendfsync everysec or always, or durability: none');
    return;
  }
  if (fsync === undefined) unseen('appendfsync');
  else if (fsync !== 'always' && durability === 'fsync') {
    problems.push(`appendfsync is ${fsync}: set appendfsync always, or accept losses with durability: everysec`);
  }
  const noFsyncOnRewrite = settings.get('no-appendfsync-on-rewrite');
  if (noFsyncOnRewrite === 'yes' && durability === 'fsync') {
    problems.push('no-appendfsync-on-rewrite is yes: nothing is fsynced during a rewrite; set it to no');
  }
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [have = 0, haveMinor = 0] = version.split('.').map(Number);
  return have > major || (have === major && haveMinor >= minor);
}

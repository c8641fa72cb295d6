import type { Durability } from '@sink/config';
import { Cluster, type Redis } from 'ioredis';
import { backlogLimit, smallLanes } from './backlog-limit.ts';
import { type Topology, topologyOf } from './failover/topology.ts';
import { forbidden } from './permissions.ts';
import { operatorProblem, RedisNotReady, type RedisProblem, RedisUnfit } from './requirements.ts';
import type { Requirements } from './requirements.ts';
import { parseInfo, readServerSettings, type ServerSettings } from './server-settings.ts';

export interface RedisExamination {
  /** `redis 7.2.4` or `valkey 8.1.0`. */
  readonly version: string;
  readonly features: {
    /** All masters support WAITAOF (Redis and Valkey 7.2 and newer). */
    readonly waitaof: boolean;
  };
  /** In bytes, of the smallest master. 0: unlimited; null: not visible. */
  readonly maxmemoryBytes: number | null;
  /** The bytes that the sink may store in Redis over all lanes, without receipts. */
  readonly backlogBytesMax: number;
  readonly topology: Pick<Topology, 'kind' | 'failover'>;
  /** What the operator accepts by configuration, or should know. */
  readonly warnings: readonly string[];
}

const VERSION_MIN = '7.0';
const WAITAOF_SINCE = '7.2';

/**
 * Examines whether a Redis meets the requirements of the configuration. In a Cluster, every master must meet them
 * alone. Changes nothing but a key of its own that expires (permissions.ts).
 * @throws RedisUnfit if it does not meet them; RedisNotReady if it cannot be examined yet; errors of the connection
 */
export async function examineRedis(redis: Redis | Cluster, required: Requirements): Promise<RedisExamination> {
  const inCluster = redis instanceof Cluster;
  const masters = inCluster ? redis.nodes('master') : [redis];
  if (masters.length === 0) throw new RedisNotReady('examining Redis: the Cluster has no master yet');
  const examinations: ServerExamination[] = [];
  const problems: RedisProblem[] = [];
  for (const master of masters) {
    try {
      examinations.push(await examineServer(master, required, inCluster));
    } catch (error) {
      if (!(error instanceof RedisUnfit)) throw error;
      problems.push(...error.problems);
    }
  }
  // After the examination, which finds out first whether this is a master.
  const permission = required.sinkName === undefined ? null : await forbidden(redis, required.sinkName, required);
  if (permission !== null) problems.unshift(permission);
  if (problems.length > 0) throw new RedisUnfit(withoutRepeats(problems));
  const [first] = examinations;
  if (first === undefined) throw new RedisNotReady('examining Redis: the Cluster has no master yet');
  const following = Math.min(...examinations.map((server) => server.following));
  const topology = topologyOf(kindOf(inCluster, required), following, required.replicas ?? 0);
  const backlogBytesMax = Math.min(...examinations.map((server) => server.backlogBytesMax));
  const found = [...examinations.flatMap(({ warnings }) => warnings), ...smallLanes(backlogBytesMax, required)];
  const limits = examinations.map(({ maxmemoryBytes }) => maxmemoryBytes).filter((limit) => limit !== null);
  return {
    version: first.version,
    features: { waitaof: examinations.every(({ features }) => features.waitaof) },
    maxmemoryBytes: limits.length === 0 ? null : Math.min(...limits),
    backlogBytesMax,
    topology: { kind: topology.kind, failover: topology.failover },
    warnings: [...new Set([...found, ...topology.warnings])],
  };
}

function kindOf(inCluster: boolean, { redis }: Requirements): Topology['kind'] {
  return inCluster ? 'cluster' : (redis?.target.kind ?? 'single');
}

/** Several masters have the same problems; INFO is one of the commands that are tried. */
function withoutRepeats(problems: readonly RedisProblem[]): RedisProblem[] {
  const byText = new Map(problems.map((problem) => [problem.found, problem]));
  const permission = problems.some(({ code }) => code === 'permission');
  return [...byText.values()].filter(({ code }) => !(permission && code === 'info_forbidden'));
}

interface ServerExamination extends Omit<RedisExamination, 'topology'> {
  /** How many replicas follow it. */
  readonly following: number;
}

async function examineServer(server: Redis, required: Requirements, inCluster: boolean): Promise<ServerExamination> {
  const info = parseInfo(await readInfo(server));
  if (info.get('loading') === '1') throw new RedisNotReady('examining Redis: it is still loading its data');
  if (info.get('role') === 'slave') {
    throw new RedisNotReady('examining Redis: it is a replica; the sink needs the master');
  }
  const version = info.get('redis_version') ?? '';
  if (!atLeast(version, VERSION_MIN)) {
    throw new RedisUnfit([
      {
        code: 'version',
        found: `its version is ${version === '' ? 'not shown' : version}`,
        remedy: `use Redis or Valkey ${VERSION_MIN} or newer`,
      },
    ]);
  }
  const settings = await readServerSettings(server, info);
  const memory = backlogLimit(info, settings, required);
  const durability = examineDurability(required.durability, settings);
  const problems = [
    ...(inCluster ? [] : examineClustering(info)),
    ...examinePolicy(required.durability, settings),
    ...memory.problems,
    ...durability.problems,
  ];
  if (problems.length > 0) throw new RedisUnfit(problems);
  return {
    version: info.has('valkey_version') ? `valkey ${info.get('valkey_version') ?? ''}` : `redis ${version}`,
    features: { waitaof: await knowsWaitaof(server, version) },
    maxmemoryBytes: memory.maxmemoryBytes,
    backlogBytesMax: memory.backlogBytesMax,
    following: Number(info.get('connected_slaves') ?? 0),
    warnings: [...memory.warnings, ...durability.warnings, ...examineState(info)],
  };
}

async function readInfo(server: Redis): Promise<string> {
  try {
    return await server.info();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const problem = operatorProblem(error);
    if (problem) throw new RedisUnfit([problem], { cause: error });
    if (!error.message.startsWith('NOPERM')) throw error;
    const remedy = 'allow INFO for this user (ACL SETUSER … +info): the check at start needs it';
    throw new RedisUnfit([{ code: 'info_forbidden', found: 'INFO is forbidden', remedy }], { cause: error });
  }
}

function examineClustering(info: ReadonlyMap<string, string>): RedisProblem[] {
  if (info.get('cluster_enabled') !== '1') return [];
  const remedy = 'list some of its nodes in redis.cluster_nodes, instead of redis.url';
  return [{ code: 'cluster', found: 'it is a node of a Redis Cluster', remedy }];
}

function examinePolicy(durability: Durability, settings: ServerSettings): RedisProblem[] {
  const policy = settings.get('maxmemory-policy');
  if (policy === 'noeviction' || (policy === undefined && durability === 'managed')) return [];
  if (policy === undefined) return [unseen('policy', 'maxmemory-policy')];
  return [
    {
      code: 'policy',
      found: `maxmemory-policy is ${policy}: Redis would delete events when its memory is full`,
      remedy: 'redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf',
    },
  ];
}

function examineDurability(
  durability: Durability,
  settings: ServerSettings,
): { readonly problems: readonly RedisProblem[]; readonly warnings: readonly string[] } {
  switch (durability) {
    case 'none':
      return {
        problems: [],
        warnings: ['durability is none: events that were answered with 2xx are lost if Redis loses its data'],
      };
    case 'managed':
      return {
        problems: [],
        warnings: ['durability is managed: whether events survive depends on settings that the sink cannot check'],
      };
    case 'everysec':
      return {
        problems: fsyncProblems(['everysec', 'always'], 'none', settings),
        warnings: ['durability is everysec: a crash of its machine can lose about a second of acknowledged events'],
      };
    case 'fsync':
      return { problems: fsyncProblems(['always'], 'everysec', settings), warnings: [] };
  }
}

/** `good` are the sufficient values of appendfsync, the best last; `weaker` is the durability that requires less. */
function fsyncProblems(good: readonly string[], weaker: Durability, settings: ServerSettings): RedisProblem[] {
  const problems: RedisProblem[] = [];
  const best = good.at(-1) ?? 'always';
  const check = (
    code: RedisProblem['code'],
    name: 'appendonly' | 'appendfsync' | 'no-appendfsync-on-rewrite',
    allowed: readonly string[],
    meaning: string,
    otherwise: string,
  ): void => {
    const value = settings.get(name);
    if (value === undefined) problems.push(unseen(code, name));
    else if (!allowed.includes(value)) {
      const wanted = allowed.includes(best) ? best : (allowed[0] ?? '');
      const remedy = `redis-cli CONFIG SET ${name} ${wanted}, and the same in redis.conf; or ${otherwise}`;
      problems.push({ code, found: `${name} is ${value}: ${meaning}`, remedy });
    }
  };
  check('appendonly', 'appendonly', ['yes'], 'a restart loses acknowledged events', 'set durability: none');
  check(
    'appendfsync',
    'appendfsync',
    good,
    'events are acknowledged before they are on disk',
    `set durability: ${weaker}`,
  );
  check(
    'no_fsync_on_rewrite',
    'no-appendfsync-on-rewrite',
    ['no'],
    'nothing is fsynced while Redis rewrites the append-only file',
    'set durability: none',
  );
  return problems;
}

function unseen(code: RedisProblem['code'], name: string): RedisProblem {
  return {
    code,
    found: `${name} is not visible (CONFIG is forbidden)`,
    remedy: 'allow CONFIG GET; or, if the provider guarantees the setting, set durability: managed',
  };
}

function examineState(info: ReadonlyMap<string, string>): string[] {
  return info.get('aof_last_write_status') === 'err' ? ['writing the append-only file failed: is its disk full?'] : [];
}

/** Whether Redis has the command; if COMMAND is forbidden, the version decides. */
async function knowsWaitaof(server: Redis, version: string): Promise<boolean> {
  try {
    const reply = await server.call('command', ['INFO', 'waitaof']);
    return Array.isArray(reply) && reply[0] !== null && reply[0] !== undefined;
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return atLeast(version, WAITAOF_SINCE);
    throw error;
  }
}

function atLeast(version: string, wanted: string): boolean {
  const [have = 0, haveMinor = 0] = version.split('.').map(Number);
  const [want = 0, wantMinor = 0] = wanted.split('.').map(Number);
  return have > want || (have === want && haveMinor >= wantMinor);
}

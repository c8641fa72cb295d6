import type { Durability, RedisSettings } from '@sink/config';

/** What the configuration requires of Redis. */
export interface Requirements {
  /** The name with which all keys begin; absent: no permission is tried. */
  readonly sinkName?: string;
  readonly durability: Durability;
  /** Bytes that the sink may store in Redis over all lanes; null: derived from the memory of Redis. */
  readonly maxBacklogBytes: number | null;
  /** The limit of receipts per lane. */
  readonly receiptsMax: number;
  /** The number of events that each lane remembers for deduplication, and for how long; 0, the default, for none. */
  readonly maxFingerprints?: number;
  readonly dedupeWindowMs?: number;
  /** Whether receipts wait in each lane for their manifests; default false. */
  readonly manifests?: boolean;
  /** With `quarantine`, some receipts are of version 2, which are larger. */
  readonly onInvalid?: 'reject' | 'quarantine';
  /** Default 1. */
  readonly lanes?: number;
  /** The largest body that a lane is to have room for; absent: any room will do. */
  readonly maxBodyBytes?: number;
  /** The number of replicas that an append waits for; default 0. */
  readonly replicas?: number;
  /** How Redis is found, which says who decides on a failover; default: at one address. */
  readonly redis?: Pick<RedisSettings, 'target'> | null;
}

/** The kinds of problems of a Redis. */
type RedisProblemCode =
  | 'authentication'
  | 'info_forbidden'
  | 'permission'
  | 'tls'
  | 'cluster'
  | 'version'
  | 'policy'
  | 'maxmemory'
  | 'backlog'
  | 'appendonly'
  | 'appendfsync'
  | 'no_fsync_on_rewrite';

export interface RedisProblem {
  readonly code: RedisProblemCode;
  /** What the examination found. */
  readonly found: string;
  /** What the operator can do. */
  readonly remedy: string;
}

/** This Redis does not meet the requirements of the configuration and needs an operator. Lists every problem. */
export class RedisUnfit extends Error {
  override readonly name = 'RedisUnfit';
  readonly code = 'redis_unfit';
  readonly retryable = false;
  readonly problems: readonly RedisProblem[];

  constructor(problems: readonly RedisProblem[], options?: ErrorOptions) {
    const lines = problems.map(({ found, remedy }) => `  ${found}\n    -> ${remedy}`);
    super(['examining Redis: it cannot be used as it is', ...lines].join('\n'), options);
    this.problems = problems;
  }
}

/** Redis cannot be examined at the moment: it loads its data, fails over or has no master yet. */
export class RedisNotReady extends Error {
  override readonly name = 'RedisNotReady';
  readonly code = 'redis_not_ready';
  readonly retryable = true;
}

/** The operator's mistake that causes an error of the connection; null: the error may end without an operator. */
export function operatorProblem(error: Error): RedisProblem | null {
  const { message } = error;
  if (/^(WRONGPASS|NOAUTH)\b|invalid username-password|Authentication required|invalid password/i.test(message)) {
    return {
      code: 'authentication',
      found: `Redis refuses the login (${message.split(' ')[0] ?? 'ERR'})`,
      remedy: 'set redis.username and redis.password (or redis.password_file) to those of Redis',
    };
  }
  if (/cluster support disabled/i.test(message)) {
    return {
      code: 'cluster',
      found: 'redis.cluster_nodes is set, but this Redis is not a Cluster',
      remedy: 'use redis.url instead',
    };
  }
  return null;
}

import type { Durability } from '@sink/config';

/** What is asked of Redis; the sink's own configuration says so. */
export interface Requirements {
  readonly durability: Durability;
  /** Bytes the sink may keep in Redis over all lanes; null: as much as is right for this Redis. */
  readonly maxBacklogBytes: number | null;
  /** Receipts of each lane. */
  readonly receiptsMax: number;
  /** Events each lane remembers for deduplication, and for how long: 0, the default, for none. */
  readonly maxFingerprints?: number;
  readonly dedupeWindowMs?: number;
  /** Whether objects wait in each lane for their manifests; default false. */
  readonly manifests?: boolean;
  /** Default 1. */
  readonly lanes?: number;
  /** Replicas an append waits for; default 0. */
  readonly replicas?: number;
}

/** What can be wrong with a Redis; each has its remedy. */
export type RedisProblemCode =
  | 'authentication'
  | 'info_forbidden'
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
  /** What was found. */
  readonly found: string;
  /** What the operator can do about it. */
  readonly remedy: string;
}

/** This Redis can not keep what the configuration promises: only a person can put that right. Lists every reason. */
export class RedisUnfit extends Error {
  override readonly name = 'RedisUnfit';
  readonly code = 'redis_unfit';
  readonly retryable = false;
  readonly problems: readonly RedisProblem[];

  constructor(problems: readonly RedisProblem[], options?: ErrorOptions) {
    const lines = problems.map(({ found, remedy }) => `  ${found}\n    -> ${remedy}`);
    super(['examining Redis: it can not be used as it is', ...lines].join('\n'), options);
    this.problems = problems;
  }
}

/** Redis can't be examined at the moment: it loads its data, fails over or has no master yet. */
export class RedisNotReady extends Error {
  override readonly name = 'RedisNotReady';
  readonly code = 'redis_not_ready';
  readonly retryable = true;
}

/** The operator's mistake behind an error of the connection; null: it may go away by itself. */
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
      found: 'redis.cluster_nodes is set, but this Redis is no Cluster',
      remedy: 'use redis.url for it',
    };
  }
  return null;
}

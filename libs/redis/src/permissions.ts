import type { Cluster, Redis } from 'ioredis';
import type { RedisProblem, Requirements } from './requirements.ts';

/** The key that the trials use expires after this time. */
const CHECK_TTL_MS = 10_000;

/** What decides which commands are needed. */
export type NeededPermissions = Pick<Requirements, 'durability' | 'replicas' | 'manifests' | 'dedupeWindowMs'>;

/** A command and its arguments. */
type Trial = readonly [command: string, ...args: (string | number)[]];

/**
 * Tries every command that the services need, and names those that the user may not run. Redis checks permissions before
 * anything else, so each trial is one that does nothing: it asks for a key that does not exist, or for a list, hash, set or
 * sorted set under a key that has a text. That text is all that is written; it is under `{NAME:check}:` and expires.
 *
 * @returns null if nothing is forbidden. Other errors (OOM, READONLY, LOADING) say nothing about permissions.
 * @throws errors of the connection
 */
export async function forbidden(
  redis: Redis | Cluster,
  sinkName: string,
  needed: NeededPermissions,
): Promise<RedisProblem | null> {
  const refusals: { readonly command: string; readonly ofKeys: boolean }[] = [];
  const note = async (command: string, answer: Promise<unknown>): Promise<void> => {
    const refusal = await refusalOf(answer);
    if (refusal !== null) refusals.push({ command, ofKeys: /\bkeys?\b/.test(refusal) });
  };
  const run = ([command, ...args]: Trial): Promise<void> => note(command, redis.call(command.toLowerCase(), args));
  const { text, trials, changes } = trialsFor(sinkName, needed);
  await run(text);
  // Without the text, these would create keys that do not expire.
  const textIsThere = refusals.length === 0;
  await Promise.all([...trials, ...(textIsThere ? changes : [])].map(run));
  await note('MULTI', redis.multi().exists(checkKey(sinkName, 'none')).exec());
  if (refusals.length === 0) return null;
  const commands = refusals.filter(({ ofKeys }) => !ofKeys).map(({ command }) => command);
  const keys = refusals.some(({ ofKeys }) => ofKeys);
  return permissionProblem(sinkName, {
    found: [
      ...(commands.length > 0 ? [`may not run ${[...new Set(commands)].join(', ')}`] : []),
      ...(keys ? [`may not use all keys that begin with {${sinkName}: and {${sinkName}}:`] : []),
    ].join(', and '),
  });
}

/** @param found what the user may not do */
export function permissionProblem(sinkName: string, { found }: { readonly found: string }): RedisProblem {
  return {
    code: 'permission',
    found: `the user of this connection ${found}`,
    remedy: `allow it, in redis-cli: ACL SETUSER USER ${aclRules(sinkName)} (docs/redis.md#permissions)`,
  };
}

/** All rules of the user that the sink needs, for ACL SETUSER. Redis before 7.2 does not know WAITAOF. */
export function aclRules(sinkName: string): string {
  const keys = `~{${sinkName}:* ~{${sinkName}}:*`;
  const categories = '+@read +@write +@scripting +@connection +@transaction +@blocking -@dangerous';
  return `${keys} resetchannels -@all ${categories} +info +config|get +command|info +time +wait, and from Redis 7.2 on +waitaof`;
}

/** The names of all commands that are tried. */
export function triedCommands(sinkName: string, needed: NeededPermissions): ReadonlySet<string> {
  const { text, trials, changes } = trialsFor(sinkName, needed);
  return new Set(['MULTI', 'EXEC', ...[text, ...trials, ...changes].map(([command]) => command)]);
}

function checkKey(sinkName: string, name: string): string {
  return `{${sinkName}:check}:${name}`;
}

function trialsFor(
  sinkName: string,
  needed: NeededPermissions,
): Record<'trials' | 'changes', Trial[]> & { text: Trial } {
  const [none, text] = [checkKey(sinkName, 'none'), checkKey(sinkName, 'text')];
  const { durability, replicas = 0, manifests = false, dedupeWindowMs = 0 } = needed;
  const trials: Trial[] = [
    ['INFO', 'server'],
    ['TIME'],
    // Keys outside of {NAME:…} begin with {NAME}:; removing what is not there changes nothing.
    ['SREM', `{${sinkName}}:lanes`, ''],
    ['HDEL', `{${sinkName}:0}:meta`, ''],
    ['EVAL', 'return 1', 1, none],
    ['EVALSHA', '0'.repeat(40), 1, none],
    ['GET', none],
    ['EXISTS', none],
    ['PTTL', none],
    ['HGET', none, 'f'],
    ['HMGET', none, 'f'],
    ['HGETALL', none],
    ['HEXISTS', none, 'f'],
    ['HLEN', none],
    ['HSCAN', none, 0],
    ['SCARD', none],
    ['SMEMBERS', none],
    ['LLEN', none],
    ['LRANGE', none, 0, 0],
    ['LINDEX', none, 0],
    ['ZCARD', none],
    ['ZCOUNT', none, 0, 0],
    ['ZRANGE', none, 0, 0],
    ['ZRANGEBYSCORE', none, 0, 0],
    ['ZREVRANGEBYSCORE', none, 0, 0],
    ['ZSCORE', none, 'm'],
    ['XLEN', none],
    ['XRANGE', none, '-', '+'],
    ['XPENDING', none, 'g'],
    ['XINFO', 'STREAM', none],
    ['XINFO', 'GROUPS', none],
    ['XINFO', 'CONSUMERS', none, 'g'],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 1, 'BLOCK', 1, 'STREAMS', none, '>'],
    ['BZPOPMIN', none, 0.001],
    ['DEL', none],
    ['UNLINK', none],
    ['PEXPIRE', none, 1],
    ['PERSIST', none],
    ['HDEL', none, 'f'],
    ['SREM', none, 'm'],
    ['LREM', none, 0, 'm'],
    ['RPOPLPUSH', none, none],
    ['ZREM', none, 'm'],
    ['ZPOPMIN', none],
    ['XADD', none, 'NOMKSTREAM', '*', 'f', 'v'],
    ['XTRIM', none, 'MAXLEN', 0],
    ['XACK', none, 'g', '1-1'],
    ['XDEL', none, '1-1'],
    ['XCLAIM', none, 'g', 'c', 0, '1-1'],
    ['XGROUP', 'CREATE', none, 'g', '0'],
    ['XGROUP', 'DELCONSUMER', none, 'g', 'c'],
    ...(durability === 'fsync' ? [['WAITAOF', 0, 0, 0] as const] : []),
    ...(replicas > 0 ? [['WAIT', 0, 0] as const] : []),
    ...(dedupeWindowMs > 0 ? [['SMISMEMBER', none, 'm'] as const] : []),
    ...(manifests
      ? ([
          ['RENAME', none, none],
          ['HVALS', none],
          ['HKEYS', none],
        ] as const)
      : []),
  ];
  const changes: Trial[] = [
    ['INCR', text],
    ['HSET', text, 'f', 'v'],
    ['HMSET', text, 'f', 'v'],
    ['HSETNX', text, 'f', 'v'],
    ['HINCRBY', text, 'f', 1],
    ['SADD', text, 'm'],
    ['LPUSH', text, 'm'],
    ['RPUSH', text, 'm'],
    ['ZADD', text, 1, 'm'],
  ];
  return { text: ['SET', text, 'text', 'PX', CHECK_TTL_MS], trials, changes };
}

/** The message of a refusal for lack of permission; null for any other answer. */
async function refusalOf(answer: Promise<unknown>): Promise<string | null> {
  try {
    await answer;
    return null;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reply: unknown =
      'previousErrors' in error && Array.isArray(error.previousErrors) ? error.previousErrors[0] : error;
    if (!(reply instanceof Error) || reply.name !== 'ReplyError') throw error;
    return reply.message.startsWith('NOPERM') ? reply.message : null;
  }
}

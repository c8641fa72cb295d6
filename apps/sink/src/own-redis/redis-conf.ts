import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;
const MAXMEMORY_LEAST_BYTES = 256 * MIB;
const MAXMEMORY_MOST_BYTES = 1024 * MIB;

/** Where a Redis of the sink's own listens (on 127.0.0.1) and what it keeps where. */
export interface OwnRedisSettings {
  readonly directory: string;
  readonly port: number;
  readonly password: string;
  /** New for every run of the sink, so that nobody takes a later Redis for an earlier one. */
  readonly pidFile: string;
  readonly maxmemoryBytes: number;
}

/** Settings with a new password. `memoryBytes`: what the machine, or the container, has. */
export function newRedisSettings(directory: string, port: number, memoryBytes: number): OwnRedisSettings {
  return {
    directory,
    port,
    password: randomBytes(24).toString('hex'),
    pidFile: join(directory, `redis-${randomBytes(6).toString('hex')}.pid`),
    maxmemoryBytes: maxmemoryFor(memoryBytes),
  };
}

/** A quarter of the memory, within 256 MiB and 1 GiB: the backlog is at most 60 % of it, receipts take 100 MB. */
export function maxmemoryFor(memoryBytes: number): number {
  return Math.min(MAXMEMORY_MOST_BYTES, Math.max(MAXMEMORY_LEAST_BYTES, Math.floor(memoryBytes / 4)));
}

/**
 * The append-only file of a queue is all turnover, so rewriting it is work for a moment's backlog: seldom, and without
 * compressing what leaves soon. With batches of 100 that takes Redis' CPU time from 1.8 to 1.1 us an event. 512 MB of it are
 * loaded in 0.2 s.
 */
const REWRITE_SELDOM = ['auto-aof-rewrite-min-size 512mb', 'rdbcompression no'] as const;

/**
 * redis.conf: every write fsynced before it is answered (also while the file is rewritten), nothing evicted, only this
 * host, only with the password. The password stands in a file of mode 0600 and not on a command line.
 */
export function redisConf(settings: OwnRedisSettings): string {
  return `# Written by sink-aws-s3 at every start: changes are lost.
bind 127.0.0.1
port ${settings.port}
protected-mode yes
requirepass ${settings.password}
dir ${quote(settings.directory)}
pidfile ${quote(settings.pidFile)}
daemonize no
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
${REWRITE_SELDOM.join('\n')}
save ""
maxmemory ${settings.maxmemoryBytes}
maxmemory-policy noeviction
`;
}

/** Writes redis.conf. Returns its path. */
export function writeRedisConf(settings: OwnRedisSettings): string {
  mkdirSync(settings.directory, { recursive: true, mode: 0o700 });
  const file = confFile(settings.directory);
  writeFileSync(file, redisConf(settings), { mode: 0o600 });
  chmodSync(file, 0o600);
  return file;
}

/** Where the Redis that was started here last listens or listened, or null. The password is a secret. */
export function readLastRedis(directory: string): Pick<OwnRedisSettings, 'port' | 'pidFile' | 'password'> | null {
  try {
    const conf = readFileSync(confFile(directory), 'utf8');
    const port = /^port (\d+)$/m.exec(conf)?.[1];
    const pidFile = /^pidfile "(.*)"$/m.exec(conf)?.[1];
    const password = /^requirepass (\S+)$/m.exec(conf)?.[1];
    if (port === undefined || pidFile === undefined || password === undefined) return null;
    // Redis' own folder may have been moved since: the name counts.
    return { port: Number(port), password, pidFile: join(directory, pidFile.slice(pidFile.lastIndexOf('/') + 1)) };
  } catch {
    return null;
  }
}

function confFile(directory: string): string {
  return join(directory, 'redis.conf');
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

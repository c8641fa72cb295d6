import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateDirectory, writePrivateFile } from '@sink/runtime';

const MIB = 1024 * 1024;
const MAXMEMORY_LEAST_BYTES = 256 * MIB;
const MAXMEMORY_MOST_BYTES = 1024 * MIB;
/** The name that Redis gives it by default. */
export const AOF_FOLDER = 'appendonlydir';

/** Where the sink's own Redis listens (on 127.0.0.1) and stores its files. */
export interface OwnRedisSettings {
  readonly directory: string;
  readonly port: number;
  readonly password: string;
  /** New for every run of the sink, so that a later Redis is never mistaken for an earlier one. */
  readonly pidFile: string;
  readonly maxmemoryBytes: number;
  /** Whether Redis decides when to rewrite its file; on a small disk the sink does (disk-watch.ts). */
  readonly rewritesByItself: boolean;
}

/** Settings with a new password. `memoryBytes`: what the machine, or the container, has. */
export function newRedisSettings(
  directory: string,
  port: number,
  memoryBytes: number,
  rewritesByItself = true,
): OwnRedisSettings {
  return {
    directory,
    port,
    password: randomBytes(24).toString('hex'),
    pidFile: join(directory, `redis-${randomBytes(6).toString('hex')}.pid`),
    maxmemoryBytes: maxmemoryFor(memoryBytes),
    rewritesByItself,
  };
}

/** A quarter of the memory, within 256 MiB and 1 GiB. The backlog takes at most 60 % of it, receipts take 100 MB. */
export function maxmemoryFor(memoryBytes: number): number {
  return Math.min(MAXMEMORY_MOST_BYTES, Math.max(MAXMEMORY_LEAST_BYTES, Math.floor(memoryBytes / 4)));
}

/**
 * The entries of a queue soon leave the append-only file again. So Redis rewrites the file seldom and does not compress
 * it. With batches of 100 this lowers Redis' CPU time from 1.8 to 1.1 us an event. Loading 512 MB of the file takes 0.2
 * s.
 */
const REWRITE_SELDOM = ['auto-aof-rewrite-min-size 512mb', 'rdbcompression no'] as const;
const REWRITE_WHEN_TOLD = ['auto-aof-rewrite-percentage 0', 'rdbcompression no'] as const;

/**
 * redis.conf. Redis fsyncs every write before it answers (also while it rewrites the file), evicts nothing, and accepts
 * only connections from this host with the password. The password is in a file of mode 0600, not on a command line.
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
appenddirname ${AOF_FOLDER}
appendfsync always
no-appendfsync-on-rewrite no
${(settings.rewritesByItself ? REWRITE_SELDOM : REWRITE_WHEN_TOLD).join('\n')}
save ""
maxmemory ${settings.maxmemoryBytes}
maxmemory-policy noeviction
`;
}

/** Writes redis.conf, and makes the folder of the append-only file, both private. Returns the path of redis.conf. */
export function writeRedisConf(settings: OwnRedisSettings): string {
  makePrivateDirectory(settings.directory);
  makePrivateDirectory(join(settings.directory, AOF_FOLDER));
  const file = confFile(settings.directory);
  // Another user of the group may have written it, and only its owner may change its mode.
  rmSync(file, { force: true });
  writePrivateFile(file, redisConf(settings));
  return file;
}

/** Address and password (a secret) of the Redis that was last started in this directory, or null. */
export function readLastRedis(directory: string): Pick<OwnRedisSettings, 'port' | 'pidFile' | 'password'> | null {
  try {
    const conf = readFileSync(confFile(directory), 'utf8');
    const port = /^port (\d+)$/m.exec(conf)?.[1];
    const pidFile = /^pidfile "(.*)"$/m.exec(conf)?.[1];
    const password = /^requirepass (\S+)$/m.exec(conf)?.[1];
    if (port === undefined || pidFile === undefined || password === undefined) return null;
    // The data directory may have been moved since: only the name of the file counts.
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

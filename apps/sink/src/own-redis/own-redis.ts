import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Environment } from '@sink/config';
import {
  type Clock,
  findFreePort,
  KeptProcess,
  type Logger,
  privateUmask,
  tightenDirectory,
  usableMemoryBytes,
} from '@sink/runtime';
import { StartError } from '../start-error.ts';
import { diskFull } from './disk-full.ts';
import type { DataLock } from './held-lock.ts';
import { newRedisSettings, type OwnRedisSettings, writeRedisConf } from './redis-conf.ts';
import { startLifeline } from './redis-orphan.ts';
import { removeLeftovers } from './volume.ts';

const START_ATTEMPTS_MAX = 3;
const PROGRESS_MS = 10_000;
const TAIL_LINES_MAX = 20;
const VERSION_TIMEOUT_MS = 10_000;

export const REDIS_SERVER_REMEDY = 'install redis-server 7.0 or newer, name one in SINK_REDIS_SERVER, or set redis.url';

export interface OwnRedisOptions {
  readonly directory: string;
  /** 0: a free one. */
  readonly port: number;
  /** Default true. */
  readonly rewritesByItself?: boolean;
  readonly env: Environment;
  /** The lock of the data directory: Redis keeps it as long as it runs, and is killed when it is lost. */
  readonly lock: Pick<DataLock, 'descriptor' | 'lost'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The Redis that the sink runs itself. */
export interface OwnRedis {
  /** redis://, with the password: a secret. */
  readonly url: string;
  readonly settings: OwnRedisSettings;
  readonly process: KeptProcess;
  /** The end of a pipe that each service inherits (see redis-orphan.ts). */
  readonly lifeline: Writable;
  /** Stops it for good. Resolves to whether it stopped by itself. */
  stop(graceMs: number): Promise<boolean>;
}

type Start =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly cause: unknown; readonly tail: string };

/** The redis-server program; a name without a folder is looked up on PATH. */
export function redisServer(env: Environment): string {
  return env['SINK_REDIS_SERVER'] || 'redis-server';
}

/** "Redis server v=7.0.15 sha=..." -> "7.0.15"; null when the program cannot be run. */
export function redisServerVersion(server: string): string | null {
  try {
    const options = { encoding: 'utf8', timeout: VERSION_TIMEOUT_MS, stdio: 'pipe' } as const;
    return /\bv=(\S+)/.exec(execFileSync(server, ['--version'], options))?.[1] ?? null;
  } catch {
    return null;
  }
}

/**
 * Starts a Redis on 127.0.0.1 with all its files in `directory`. Resolves when it has loaded its file and takes
 * commands; from then on it is restarted, at the same address, whenever it exits. Resolves to null when `signal` aborts
 * before.
 * @throws StartError `no_redis_server`, `redis_failed`, `port_taken`
 */
export async function startOwnRedis(options: OwnRedisOptions): Promise<OwnRedis | null> {
  await tightenDirectory(options.directory);
  for (let attempt = 1; ; attempt++) {
    const port = options.port === 0 ? await findFreePort('127.0.0.1', 0) : options.port;
    const settings = newRedisSettings(options.directory, port, usableMemoryBytes(), options.rewritesByItself);
    const { kept, started } = launch(settings, options);
    const outcome = await withProgress(started, options.log);
    if (outcome.kind === 'ready') return withLifeline(kept, settings);
    await kept.kill();
    if (outcome.kind === 'stopped') return null;
    const portTaken = outcome.tail.includes('Address already in use');
    if (portTaken && options.port === 0 && attempt < START_ATTEMPTS_MAX) continue;
    throw describeFailure(outcome.cause, outcome.tail, options, portTaken);
  }
}

function writeConf(settings: OwnRedisSettings): string {
  try {
    return writeRedisConf(settings);
  } catch (cause) {
    throw diskFull(dirname(settings.directory), cause) ?? cause;
  }
}

function launch(
  settings: OwnRedisSettings,
  options: OwnRedisOptions,
): { readonly kept: KeptProcess; readonly started: Promise<Start> } {
  const { clock, env, lock, log, signal } = options;
  const conf = writeConf(settings);
  const { promise: started, resolve } = Promise.withResolvers<Start>();
  let wasReady = false;
  const spawnRedis = (): ChildProcess => {
    removeLeftovers(settings.directory);
    const child = withUmask(privateUmask(settings.directory), () =>
      spawn(redisServer(env), [conf], {
        stdio: ['ignore', 'pipe', 'pipe', lock.descriptor ?? 'ignore'],
        detached: true,
      }),
    );
    // Not typed for four of them.
    if (child.stdout === null || child.stderr === null) throw new Error('starting Redis: it has no pipes');
    const output = new RedisLog(child.stdout, log, () => {
      wasReady = true;
      resolve({ kind: 'ready' });
    });
    child.stderr.resume();
    child.once('error', (cause) => resolve({ kind: 'failed', cause, tail: '' }));
    child.once('close', () => resolve({ kind: 'failed', cause: null, tail: output.tail() }));
    return child;
  };
  const kept = new KeptProcess({
    name: 'redis',
    launch: spawnRedis,
    isFatal: () => !wasReady,
    onFatal: () => undefined,
    clock,
    log,
  });
  kept.start();
  lock.lost.addEventListener('abort', () => void kept.kill(), { once: true });
  if (signal.aborted) resolve({ kind: 'stopped' });
  else signal.addEventListener('abort', () => resolve({ kind: 'stopped' }), { once: true });
  return { kept, started };
}

/** Starts a process with this umask, which redis-server has no setting for: its file would be readable by every user. */
function withUmask<T>(umask: number, start: () => T): T {
  const before = process.umask(umask);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

/** Loading a large append-only file takes a while; the log reports it. */
async function withProgress(started: Promise<Start>, log: Logger): Promise<Start> {
  const timer = setInterval(() => log.info('Redis is still loading its append-only file'), PROGRESS_MS);
  try {
    return await started;
  } finally {
    clearInterval(timer);
  }
}

function withLifeline(kept: KeptProcess, settings: OwnRedisSettings): OwnRedis {
  const lifeline = startLifeline(settings.pidFile);
  return {
    url: `redis://:${settings.password}@127.0.0.1:${settings.port}`,
    settings,
    process: kept,
    lifeline: lifeline.end,
    stop: async (graceMs) => {
      const stopped = await kept.stop(graceMs);
      await lifeline.release();
      return stopped;
    },
  };
}

function describeFailure(cause: unknown, tail: string, options: OwnRedisOptions, portTaken: boolean): StartError {
  if (cause instanceof Error) {
    const message = `${redisServer(options.env)} cannot be run (${cause.message}): ${REDIS_SERVER_REMEDY}`;
    return new StartError('no_redis_server', message, { cause });
  }
  if (portTaken) {
    const remedy = 'set redis_port (SINK_REDIS_PORT) to another port, or to 0 for a free one';
    return new StartError('port_taken', `port ${options.port} is taken by another program: ${remedy}`);
  }
  const lastLine = tail.trim().split('\n').at(-1) || 'it printed nothing';
  return new StartError('redis_failed', `Redis does not start on ${options.directory}: ${lastLine}`);
}

/** "123:M 01 Nov 2026 10:00:00.000 # text": role, time, level, text. */
const LOG_LINE = /^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ ([.\-*#]) (.*)$/;

/** Copies what redis-server prints to the sink's log: its warnings as warnings once it is ready, the rest as debug. */
class RedisLog {
  readonly #tail: string[] = [];
  #ready = false;

  constructor(output: Readable, log: Logger, onReady: () => void) {
    createInterface({ input: output }).on('line', (line) => {
      const [, mark = '', text = line] = LOG_LINE.exec(line) ?? [];
      this.#tail.push(text);
      if (this.#tail.length > TAIL_LINES_MAX) this.#tail.shift();
      if (this.#ready && mark === '#' && !/shutdown|bye bye|SIGTERM/i.test(text)) log.warn(`Redis: ${text}`);
      else log.debug(`Redis: ${text}`);
      if (text.startsWith('Ready to accept connections')) {
        this.#ready = true;
        onReady();
      }
    });
  }

  /** The last lines, for an error message. */
  tail(): string {
    return this.#tail.join('\n');
  }
}

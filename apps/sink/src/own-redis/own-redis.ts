import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { KeptProcess, usableMemoryBytes, type Clock, type Logger } from '@sink/runtime';
import { tieToUs } from './lifeline.ts';
import { findFreePort } from '../supervisor/tcp-ports.ts';
import { newRedisSettings, type OwnRedisSettings, writeRedisConf } from './redis-conf.ts';
import { RedisLog } from './redis-log.ts';
import { StartError } from '../start-error.ts';

const START_ATTEMPTS_MAX = 3;
const PROGRESS_MS = 10_000;

export interface OwnRedisOptions {
  readonly directory: string;
  /** 0: a free one. */
  readonly port: number;
  /** The program; a name is looked up on PATH. */
  readonly server: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The Redis the sink runs itself. */
export interface OwnRedis {
  /** redis://, with the password: a secret. */
  readonly url: string;
  readonly process: KeptProcess;
  /** Each service is given this end of the pipe (see lifeline.ts). */
  readonly lifeline: Writable;
  /** Stops it, for good. Resolves to whether it stopped by itself. */
  stop(graceMs: number): Promise<boolean>;
}

type Start =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly cause: unknown; readonly tail: string };

/**
 * Starts a Redis on 127.0.0.1 with all its files in `directory`, and resolves when it has read its file and takes
 * commands; from then on it is started again, with the same address, whenever it dies. Null when `signal` aborts before.
 * @throws StartError `no_redis_server`, `redis_failed`, `port_taken`
 */
export async function startOwnRedis(options: OwnRedisOptions): Promise<OwnRedis | null> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port === 0 ? await findFreePort() : options.port;
    const settings = newRedisSettings(options.directory, port, usableMemoryBytes());
    const { kept, started } = launch(settings, options);
    const outcome = await withProgress(started, options.log);
    if (outcome.kind === 'ready') return tie(kept, settings);
    await kept.kill();
    if (outcome.kind === 'stopped') return null;
    const portTaken = outcome.tail.includes('Address already in use');
    if (portTaken && options.port === 0 && attempt < START_ATTEMPTS_MAX) continue;
    throw describeFailure(outcome.cause, outcome.tail, options, portTaken);
  }
}

function launch(
  settings: OwnRedisSettings,
  options: OwnRedisOptions,
): { readonly kept: KeptProcess; readonly started: Promise<Start> } {
  const { clock, log, server, signal } = options;
  const conf = writeRedisConf(settings);
  const { promise: started, resolve } = Promise.withResolvers<Start>();
  let wasReady = false;
  const spawnRedis = (): ChildProcess => {
    const child = spawn(server, [conf], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
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
  if (signal.aborted) resolve({ kind: 'stopped' });
  else signal.addEventListener('abort', () => resolve({ kind: 'stopped' }), { once: true });
  return { kept, started };
}

/** Reading a large append-only file takes its time: says so. */
async function withProgress(started: Promise<Start>, log: Logger): Promise<Start> {
  const timer = setInterval(() => log.info('Redis is still reading its append-only file'), PROGRESS_MS);
  try {
    return await started;
  } finally {
    clearInterval(timer);
  }
}

function tie(kept: KeptProcess, settings: OwnRedisSettings): OwnRedis {
  const lifeline = tieToUs(settings.pidFile);
  return {
    url: `redis://:${settings.password}@127.0.0.1:${settings.port}`,
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
    const remedy = 'install redis-server 7.0 or newer, name one in SINK_REDIS_SERVER, or set redis.url';
    return new StartError('no_redis_server', `${options.server} cannot be run (${cause.message}): ${remedy}`, {
      cause,
    });
  }
  if (portTaken) {
    const remedy = 'set redis_port (SINK_REDIS_PORT) to another port, or to 0 for a free one';
    return new StartError('port_taken', `port ${options.port} is taken by another program: ${remedy}`);
  }
  const said = tail.trim().split('\n').at(-1) || 'it said nothing';
  return new StartError('redis_failed', `Redis does not start on ${options.directory}: ${said}`);
}

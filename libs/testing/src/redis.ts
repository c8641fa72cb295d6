import { mkdirSync } from 'node:fs';
import { freePort } from './free-port.ts';
import { startProcess } from './process.ts';
import type { ManagedProcess } from './process.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const START_ATTEMPTS_MAX = 5;
const STOP_GRACE_MS = 10_000;

export interface RedisOptions {
  /** Added after the defaults, so that they override them: `['--maxmemory', '8mb']`. */
  readonly args?: readonly string[];
  /** The directory of the append-only file; default: a temporary directory. */
  readonly dir?: string;
  readonly password?: string;
}

/** A real redis-server of one test. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
  /** redis://, with the password if there is one. */
  readonly url: string;
  readonly dir: string;
  /** Of the process that is running, or ran last. */
  readonly pid: number;
  /** The log of the process that is running, or ran last. */
  output(): string;
  /** SIGSTOP makes the server hang, SIGCONT wakes it. */
  signal(signal: NodeJS.Signals): void;
  /** Crashes the server with SIGKILL: fsynced writes stay. */
  kill(): Promise<void>;
  /** Restarts with the same port, directory and arguments. A server that is still running is stopped first. */
  restart(): Promise<void>;
  /** Stops it with SIGTERM, and with SIGKILL after 10 s. */
  stop(): Promise<void>;
}

/**
 * Starts redis-server (that of `SINK_REDIS_SERVER`, else that on PATH) on a free port of 127.0.0.1: `appendfsync
 * always`, `maxmemory 256mb`, `noeviction`, no snapshots. It rewrites its file as seldom as the sink's own Redis does.
 * Resolves when it accepts connections.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? temporaryDirectory('redis');
  mkdirSync(dir, { recursive: true });
  const host = '127.0.0.1';

  let port = await freePort();
  let current: ManagedProcess;
  for (let attempt = 1; ; attempt++) {
    try {
      current = await launch(dir, port, options);
      break;
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes('Address already in use');
      if (!portTaken || attempt === START_ATTEMPTS_MAX) throw error;
      port = await freePort();
    }
  }

  const stop = async (): Promise<void> => {
    // A process that SIGSTOP has stopped does not handle SIGTERM.
    current.signal('SIGCONT');
    const impatience = setTimeout(() => current.signal('SIGKILL'), STOP_GRACE_MS);
    await current.kill('SIGTERM');
    clearTimeout(impatience);
  };
  const credentials = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`;
  return {
    host,
    port,
    url: `redis://${credentials}${host}:${port}`,
    dir,
    get pid() {
      return current.pid;
    },
    output: () => current.output(),
    signal: (name) => current.signal(name),
    kill: async () => {
      await current.kill('SIGKILL');
    },
    restart: async () => {
      await stop();
      current = await launch(dir, port, options);
    },
    stop,
  };
}

async function launch(dir: string, port: number, options: RedisOptions): Promise<ManagedProcess> {
  const settings: Readonly<Record<string, string>> = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    daemonize: 'no',
    appendonly: 'yes',
    appendfsync: 'always',
    'auto-aof-rewrite-min-size': '512mb',
    rdbcompression: 'no',
    save: '',
    maxmemory: '256mb',
    'maxmemory-policy': 'noeviction',
    ...(options.password === undefined ? {} : { requirepass: options.password }),
  };
  const server = await startProcess({
    command: process.env['SINK_REDIS_SERVER'] ?? 'redis-server',
    args: [...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]), ...(options.args ?? [])],
  });
  // Redis prints this line after it has loaded the append-only file.
  await server.waitFor(/Ready to accept connections/, { timeoutMs: 20_000 });
  return server;
}

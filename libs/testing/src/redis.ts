import { mkdirSync } from 'node:fs';
import { freePort } from './free-port.ts';
import { startProcess } from './process.ts';
import type { ManagedProcess } from './process.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const START_ATTEMPTS_MAX = 5;
const STOP_GRACE_MS = 10_000;

export interface RedisOptions {
  /** Added behind the defaults, so that they win: `['--maxmemory', '8mb']`. */
  readonly args?: readonly string[];
  /** Where the append-only file stands; default: a temporary directory. */
  readonly dir?: string;
  readonly password?: string;
}

/** A real redis-server of this test's own. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
  /** redis://, with the password if there is one. */
  readonly url: string;
  readonly dir: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** What the process that runs now, or ran last, logged. */
  output(): string;
  /** SIGSTOP or SIGCONT: a server that hangs. */
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL, as a crash of the machine's process table: what was fsynced stays. */
  kill(): Promise<void>;
  /** Starts again with the same port, directory and arguments; a server that still runs is stopped first. */
  restart(): Promise<void>;
  /** SIGTERM, and SIGKILL when that takes longer than 10 s. */
  stop(): Promise<void>;
}

/**
 * Starts redis-server (environment `SINK_REDIS_SERVER`, else the one on PATH) on a free port of 127.0.0.1:
 * `appendfsync always`, `maxmemory 256mb`, `noeviction`, no snapshots, the file rewritten as seldom as in the sink's own
 * Redis. Resolves when it accepts connections.
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
    // A stopped (SIGSTOP) process takes no SIGTERM.
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
  const server = await startProcess({
    command: process.env['SINK_REDIS_SERVER'] ?? 'redis-server',
    args: [
      ...['--port', String(port)],
      ...['--bind', '127.0.0.1'],
      ...['--dir', dir],
      ...['--daemonize', 'no'],
      ...['--appendonly', 'yes'],
      ...['--appendfsync', 'always'],
      ...['--auto-aof-rewrite-min-size', '512mb'],
      ...['--rdbcompression', 'no'],
      ...['--save', ''],
      ...['--maxmemory', '256mb'],
      ...['--maxmemory-policy', 'noeviction'],
      ...(options.password === undefined ? [] : ['--requirepass', options.password]),
      ...(options.args ?? []),
    ],
  });
  // The line comes after the append-only file was loaded.
  await server.waitFor(/Ready to accept connections/, { timeoutMs: 20_000 });
  return server;
}

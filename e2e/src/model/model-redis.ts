import { Redis } from 'ioredis';
import { IoredisPort, type RedisPort } from '@sink/lane';
import { startRedis } from '@sink/testing';

/** A real Redis. */
export interface ModelRedis {
  readonly port: RedisPort;
  /** What can happen to it as a whole, if one world has it to itself. */
  readonly faults: RedisFaults;
}

export interface RedisFaults {
  /** SIGKILL, and again from its append-only file. */
  crash(): Promise<void>;
  /** Until `freed`, Redis is at its maxmemory: what may not run there is refused. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/**
 * Hashes tell their fields in the order in which they were added. In a hash table the order comes from a number that each
 * server draws at its start, and with it would the schedule of a world: of a seed there would be as many as there are servers.
 */
const ORDERED = ['--hash-max-listpack-entries', '100000', '--hash-max-listpack-value', '1000000'];

/** A Redis for the model: what it has answered is in its file, which a crash of the process alone does not lose. */
export async function withModelRedis(run: (redis: ModelRedis) => Promise<void>): Promise<void> {
  const server = await startRedis({ args: ['--appendfsync', 'no', '--auto-aof-rewrite-min-size', '1mb', ...ORDERED] });
  const client = new Redis(server.url, { maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  try {
    await run({
      port: new IoredisPort(client),
      faults: {
        crash: async () => {
          // No command is on its way: between two steps of its world nobody waits for it. A connection that were tried while
          // nobody listens may take a second.
          client.disconnect();
          await server.kill();
          await server.restart();
          await client.connect();
        },
        fill: async () => {
          await client.config('SET', 'maxmemory', '1');
        },
        free: async () => {
          await client.config('SET', 'maxmemory', '256mb');
        },
      },
    });
  } finally {
    client.disconnect();
    await server.stop();
  }
}

/** A Redis that many worlds share, so nothing may happen to it as a whole: none has the other's keys. */
export async function withSharedRedis(run: (port: RedisPort) => Promise<void>): Promise<void> {
  const server = await startRedis({ args: ['--appendonly', 'no', ...ORDERED] });
  const client = new Redis(server.url, { maxRetriesPerRequest: 0 });
  try {
    await client.ping();
    await run(gathering(client));
  } finally {
    client.disconnect();
    await server.stop();
  }
}

/** What all worlds ask for in one turn of the event loop goes out in one write: a world's time was that of system calls. */
function gathering(client: Redis): RedisPort {
  const port = new IoredisPort(client);
  let gathers = false;
  const gather = (): void => {
    if (gathers) return;
    gathers = true;
    const { stream } = client;
    stream.cork();
    setImmediate(() => {
      gathers = false;
      stream.uncork();
    });
  };
  return {
    run: (script, keys, args) => {
      gather();
      return port.run(script, keys, args);
    },
    call: (command, args, key) => {
      gather();
      return port.call(command, args, key);
    },
    callBuffer: (command, args) => {
      gather();
      return port.callBuffer(command, args);
    },
  };
}

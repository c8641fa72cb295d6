import { once } from 'node:events';
import { Redis } from 'ioredis';
import { IoredisPort, type RedisPort } from '@sink/lane';
import { startRedis } from '@sink/testing';

/** A real Redis. */
export interface ModelRedis {
  readonly port: RedisPort;
  /** The faults of the whole server, if one world has it to itself. */
  readonly faults: RedisFaults;
}

export interface RedisFaults {
  /** Kills the server with SIGKILL and restarts it from its append-only file. */
  crash(): Promise<void>;
  /** Until `free`, Redis is at its maxmemory and refuses the commands that need memory. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/**
 * Makes hashes list their fields in the order in which they were added. In a hash table the order depends on a random
 * number of each server, and the schedule of a world would depend on it too: one seed would have a schedule for each
 * server.
 */
const ORDERED = ['--hash-max-listpack-entries', '100000', '--hash-max-listpack-value', '1000000'];

/** A Redis for the model. What it has answered is in its file, which a crash of its process does not lose. */
export async function withModelRedis(run: (redis: ModelRedis) => Promise<void>): Promise<void> {
  const server = await startRedis({ args: ['--appendfsync', 'no', '--auto-aof-rewrite-min-size', '1mb', ...ORDERED] });
  const client = new Redis(server.url, { maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  try {
    await run({
      port: new IoredisPort(client),
      faults: {
        crash: async () => {
          // No command is in flight, because no actor waits for Redis between two steps of its world. A connection that is
          // opened before the server listens may take a second.
          const ended = once(client, 'end');
          client.disconnect();
          await ended;
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

/** A Redis that many worlds share, each with its own keys. So it has no faults of the whole server. */
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

/** Sends the commands of all worlds in one turn of the event loop in one write, because system calls took most of the time. */
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

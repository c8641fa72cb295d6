import {
  eventually,
  type RedisServer,
  type Sentinel,
  SENTINEL_MASTER as NAME,
  startRedis,
  startSentinel,
} from '@sink/testing';
import { Redis } from 'ioredis';

const WATCH = { quorum: 2, downAfterMs: 1_500, failoverTimeoutMs: 10_000 };
/** A new master gets its replica at once, and not after five seconds. */
const AT_ONCE = ['--repl-diskless-sync-delay', '0'];

/** One master, two replicas, and three Sentinels that watch them. */
export class Sentinels {
  readonly servers: readonly RedisServer[];
  readonly #sentinels: readonly Sentinel[];
  readonly #admins = new Map<RedisServer, Redis>();
  readonly #asked: Redis;

  private constructor(servers: readonly RedisServer[], sentinels: readonly Sentinel[]) {
    this.servers = servers;
    this.#sentinels = sentinels;
    for (const server of servers) this.#admins.set(server, quiet(new Redis(server.url)));
    this.#asked = quiet(new Redis({ host: '127.0.0.1', port: sentinels[0]?.port ?? 0 }));
  }

  static async start(): Promise<Sentinels> {
    const master = await startRedis({ args: AT_ONCE });
    const follow = [...AT_ONCE, '--replicaof', master.host, String(master.port)];
    const replicas = await Promise.all([startRedis({ args: follow }), startRedis({ args: follow })]);
    const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(master, WATCH)));
    const group = new Sentinels([master, ...replicas], sentinels);
    await group.allInSync();
    await eventually(async () => expectOthers(await group.#asked.call('sentinel', 'master', NAME)), {
      timeoutMs: 20_000,
    });
    return group;
  }

  /** The environment of a service that finds its Redis here. */
  get environment(): Record<string, string> {
    const addresses = this.#sentinels.map(({ port }) => `127.0.0.1:${port}`);
    return { SINK_REDIS_SENTINELS: addresses.join(','), SINK_REDIS_SENTINEL_MASTER: NAME };
  }

  async master(): Promise<RedisServer> {
    const [, port] = (await this.#asked.call('sentinel', 'get-master-addr-by-name', NAME)) as [string, string];
    const master = this.servers.find((server) => server.port === Number(port));
    if (master === undefined) throw new Error(`the master is not one of these: ${port}`);
    return master;
  }

  async replica(): Promise<RedisServer> {
    const master = await this.master();
    const replica = this.servers.find((server) => server !== master);
    if (replica === undefined) throw new Error('there is no replica');
    return replica;
  }

  clientOf(server: RedisServer): Redis {
    const admin = this.#admins.get(server);
    if (admin === undefined) throw new Error('not one of these servers');
    return admin;
  }

  /** As an operator does it: no machine fails, and no replica lags. */
  async planFailover(): Promise<void> {
    const former = await this.master();
    await this.#asked.call('sentinel', 'failover', NAME);
    await this.failedOver(former);
  }

  /** Waits until another server is the master. */
  async failedOver(former: RedisServer): Promise<void> {
    await eventually(
      async () => {
        if ((await this.master()) === former) throw new Error('the master is still the same');
      },
      { timeoutMs: 30_000 },
    );
  }

  /** Waits until two replicas follow the master: Sentinel demotes a former one after ten seconds. */
  async allInSync(): Promise<void> {
    await eventually(
      async () => {
        const info = await this.clientOf(await this.master()).info('replication');
        if (info.match(/state=online/g)?.length !== 2) throw new Error(`not in sync:\n${info}`);
      },
      { timeoutMs: 40_000 },
    );
  }

  async stop(): Promise<void> {
    this.#asked.disconnect();
    for (const admin of this.#admins.values()) admin.disconnect();
    await Promise.all(this.#sentinels.map(({ process }) => process.kill()));
    await Promise.all(this.servers.map((server) => server.stop()));
  }
}

/** Two other Sentinels and two replicas are known. */
function expectOthers(reply: unknown): void {
  const fields = Array.isArray(reply) ? reply.map(String) : [];
  for (const name of ['num-slaves', 'num-other-sentinels']) {
    if (fields[fields.indexOf(name) + 1] !== '2') throw new Error(`the Sentinels do not know each other: ${name}`);
  }
}

function quiet(client: Redis): Redis {
  client.on('error', () => undefined);
  return client;
}

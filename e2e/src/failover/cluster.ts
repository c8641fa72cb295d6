import { laneKeys } from '@sink/lane';
import { eventually, freePort, type RedisServer, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';

const NODE_TIMEOUT_MS = 2_000;
const SLOT_RANGES = [
  [0, 5460],
  [5461, 10_922],
  [10_923, 16_383],
] as const;

interface Node {
  readonly server: RedisServer;
  readonly admin: Redis;
  readonly busPort: number;
}

/** A Cluster of three masters. The one with the lane has a replica. */
export class LaneCluster {
  readonly #nodes: readonly Node[];
  readonly #pair: readonly [Node, Node];

  private constructor(nodes: readonly Node[], pair: readonly [Node, Node]) {
    this.#nodes = nodes;
    this.#pair = pair;
  }

  static async start(sinkName: string): Promise<LaneCluster> {
    const nodes = await Promise.all([1, 2, 3, 4].map(startNode));
    const [first, second, third, replica] = nodes;
    if (!first || !second || !third || !replica) throw new Error('a node is missing');
    const masters = [first, second, third];
    for (const [index, { admin }] of masters.entries()) {
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', ...(SLOT_RANGES[index] ?? []));
    }
    for (const { server, busPort } of nodes.slice(1)) {
      await first.admin.call('CLUSTER', 'MEET', server.host, server.port, busPort);
    }
    const slot = Number(await first.admin.call('CLUSTER', 'KEYSLOT', laneKeys(sinkName, 0).chunks));
    const master = masters[SLOT_RANGES.findIndex(([, last]) => slot <= last)] ?? first;
    const masterId = String(await master.admin.call('CLUSTER', 'MYID'));
    await eventually(() => replica.admin.call('CLUSTER', 'REPLICATE', masterId), { timeoutMs: 20_000 });
    const cluster = new LaneCluster(nodes, [master, replica]);
    await eventually(
      async () => {
        for (const { admin } of nodes) {
          const info = String(await admin.call('CLUSTER', 'INFO'));
          if (!/cluster_state:ok[^]*cluster_known_nodes:4/.test(info)) throw new Error(info);
        }
      },
      { timeoutMs: 30_000 },
    );
    await cluster.inSync();
    return cluster;
  }

  get environment(): Record<string, string> {
    const addresses = this.#nodes.map(({ server }) => `${server.host}:${server.port}`);
    return { SINK_REDIS_CLUSTER_NODES: addresses.join(',') };
  }

  /** The master with the lane. */
  async master(): Promise<Node> {
    for (const node of this.#pair) {
      const role = await node.admin.role().catch(() => null);
      if (role?.[0] === 'master') return node;
    }
    throw new Error('the lane has no master');
  }

  /** Of the two with the lane, the one that is not this one. */
  other(node: Node): Node {
    return node === this.#pair[0] ? this.#pair[1] : this.#pair[0];
  }

  async failedOverTo(node: Node): Promise<void> {
    await eventually(
      async () => {
        if ((await node.admin.role())[0] !== 'master') throw new Error('it is still a replica');
      },
      { timeoutMs: 30_000 },
    );
  }

  async inSync(): Promise<void> {
    await eventually(
      async () => {
        const info = await (await this.master()).admin.info('replication');
        if (!info.includes('state=online')) throw new Error(`not in sync:\n${info}`);
      },
      { timeoutMs: 30_000 },
    );
  }

  async stop(): Promise<void> {
    for (const { admin } of this.#nodes) admin.disconnect();
    await Promise.all(this.#nodes.map(({ server }) => server.stop()));
  }
}

async function startNode(): Promise<Node> {
  // Redis' default, port + 10000, may lie beyond the last port.
  const busPort = await freePort();
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS)];
  const args = [...cluster, '--cluster-port', String(busPort), '--repl-diskless-sync-delay', '0'];
  const server = await startRedis({ args });
  const admin = new Redis({ host: server.host, port: server.port, commandTimeout: 2_000, maxRetriesPerRequest: 0 });
  admin.on('error', () => undefined);
  return { server, admin, busPort };
}

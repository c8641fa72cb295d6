import { eventually, freePort, type RedisServer, startRedis } from '@sink/testing';
import { Cluster, Command, Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IoredisPort } from './ioredis-port.ts';
import { laneKeys, leaseKey } from './keys.ts';
import { rememberLanes } from './steps/lanes.ts';
import { entryOf, receiptOf, recordOf, type Roles, rolesOn } from './test/lane-world.ts';

const SLOT_RANGES = [
  [0, 5_460],
  [5_461, 10_922],
  [10_923, 16_383],
] as const;

const servers: RedisServer[] = [];
const direct: Redis[] = [];
let cluster: Cluster;

async function startNode(): Promise<void> {
  // Redis' default, port + 10000, may lie beyond the last port.
  const busPort = await freePort();
  const server = await startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)] });
  servers.push(server);
  direct.push(new Redis({ host: server.host, port: server.port }));
  const [first] = servers;
  const [, node] = direct.slice(-2);
  if (first && node) await direct[0]?.call('CLUSTER', 'MEET', server.host, server.port, busPort);
}

/** Three masters; the first has a replica. */
beforeAll(async () => {
  for (let n = 0; n < 4; n++) await startNode();
  for (const [n, range] of SLOT_RANGES.entries()) await direct[n]?.call('CLUSTER', 'ADDSLOTSRANGE', ...range);
  const [master] = direct;
  const replica = direct[3];
  const masterId = String(await master?.call('CLUSTER', 'MYID'));
  await eventually(async () => String(await replica?.call('CLUSTER', 'NODES')).includes(masterId), {
    timeoutMs: 20_000,
  });
  await eventually(() => replica?.call('CLUSTER', 'REPLICATE', masterId), { timeoutMs: 20_000 });
  await eventually(
    async () => {
      for (const node of direct) expect(String(await node.call('CLUSTER', 'INFO'))).toContain('cluster_state:ok');
      for (const node of direct) expect(String(await node.call('CLUSTER', 'INFO'))).toContain('cluster_known_nodes:4');
      expect(await replica?.info('replication')).toContain('master_link_status:up');
    },
    { timeoutMs: 30_000 },
  );
  const startup = servers.map(({ host, port }) => ({ host, port }));
  cluster = new Cluster(startup, {
    enableOfflineQueue: false,
    redisOptions: { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
  });
  cluster.on('error', () => undefined);
  await new Promise<void>((resolve) => cluster.once('ready', () => resolve()));
});

afterAll(async () => {
  cluster.disconnect();
  for (const node of direct) node.disconnect();
  for (const server of servers) await server.stop();
});

const slotOf = (key: string): number => new Command('get', [key]).getSlot();
const nodeOf = (on: Roles): number => SLOT_RANGES.findIndex(([, last]) => slotOf(on.lane.keys.chunks) <= last);

/** One lane on each of the three nodes. */
function laneOnEachNode(): Roles[] {
  const port = new IoredisPort(cluster);
  const lanes = Array.from({ length: 64 }, (_, number) => rolesOn(port, number));
  return SLOT_RANGES.map((_, node) => {
    const lane = lanes.find((candidate) => nodeOf(candidate) === node);
    if (!lane) throw new Error(`no lane on node ${node}`);
    return lane;
  });
}

async function appendTo(on: Roles, sequence: number, writer: string, count: number): Promise<string> {
  const answer = await on.ingest.append({
    writer,
    sequence,
    entries: [entryOf(count)],
    furtherBytes: 0,
    acceptedAtMs: 1,
    backlogBytesMax: 1_000_000,
  });
  expect(answer).toBe('stored');
  const [entry] = await cluster.xrevrange(on.lane.keys.chunks, '+', '-', 'COUNT', 1);
  return entry?.[0] ?? '';
}

describe('in a Redis Cluster', () => {
  test('all keys of a lane are in one slot, and lanes spread over the slots', async () => {
    const slots = new Set<number>();
    for (let lane = 0; lane < 64; lane++) {
      const keys = laneKeys('sink-aws-s3', lane);
      const all = [...(Object.values(keys) as string[]), leaseKey(keys, 'batcher-1-abc')];
      const own = new Set(
        await Promise.all(all.map(async (key) => Number(await direct[0]?.call('CLUSTER', 'KEYSLOT', key)))),
      );
      expect(own.size).toBe(1);
      slots.add([...own][0] ?? -1);
    }
    expect(slots.size).toBe(64);
  });

  test('lanes on different nodes go through all their steps', async () => {
    const port = new IoredisPort(cluster);
    expect(await rememberLanes(port, 'sink', 3)).toEqual([0, 1, 2]);
    for (const on of laneOnEachNode()) {
      const uid = await on.batcher.open(`uid${on.lane.number}`);
      expect(uid).toBe(`uid${on.lane.number}`);
      const writer = await on.ingest.registerWriter('n');
      const [a, b] = [await appendTo(on, 1, writer, 2), await appendTo(on, 2, writer, 3)];
      await on.batcher.takeLease('b1', 60_000);
      expect(await on.lane.leaseExists('b1')).toBe(true);
      expect((await on.batcher.read('dead', 10, 20)).map((entry) => entry.id)).toEqual([a, b]);
      expect(await on.batcher.claim('dead', 'b1')).toEqual({ kind: 'removed', chunks: 2 });
      expect(await on.batcher.consumers()).toEqual(['b1']);
      expect(await on.batcher.pending('b1', '')).toEqual([a, b]);
      expect(await on.batcher.scrub('b1', '0')).toEqual({ cursor: '0', restored: 0 });
      const record = recordOf(`s${on.lane.number}`, [
        [a, 0, 2],
        [b, 0, 3],
      ]);
      expect(await on.batcher.seal(record, JSON.stringify(record))).toEqual({ kind: 'sealed' });
      expect((await Array.fromAsync(on.lane.records())).flat()).toEqual([record.id]);
      expect(await on.batcher.release(record, 'spool-1')).toBe('released');
      expect(await on.uploader.commit(receiptOf(record.id), 10)).toBe('committed');
      expect(await on.batcher.adopt(record, 'spool-1')).toBe('adopted');
      expect(await on.uploader.commit(receiptOf(record.id), 10)).toBe('committed');
      expect(await on.lane.backlog()).toEqual({ events: 0, bytes: 0, segments: 0, receipts: 2 });
      await on.ingest.forgetWriter(writer);
      expect(await cluster.exists(on.lane.keys.writers)).toBe(0);
    }
    for (const node of direct.slice(0, 3)) expect(await node.dbsize()).toBeGreaterThan(0);
  });

  test('invariant 4: durability is asked of the node that has the lane', async () => {
    for (const on of laneOnEachNode()) {
      await on.batcher.open('x');
      await appendTo(on, 1, await on.ingest.registerWriter('n'), 1);
      const withReplica = nodeOf(on) === 0;
      for (let n = 0; n < 5; n++) {
        expect(await on.batcher.reached({ waitaof: false, replicas: 1, timeoutMs: withReplica ? 5_000 : 20 })).toBe(
          withReplica,
        );
      }
    }
  });
});

import { eventually, type RedisServer, SENTINEL_MASTER, startRedis, startSentinel } from '@sink/testing';
import { Cluster, type Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { examineRedis } from './examine.ts';
import type { Requirements } from './requirements.ts';
import { Connections, settingsOf, whenReady } from './test/connections.ts';

const REQUIRED: Requirements = { durability: 'fsync', maxBacklogBytes: null, receiptsMax: 1000 };
const MIB = 1024 ** 2;

const connections = new Connections();
const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  connections.close();
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

async function start(args: readonly string[] = []): Promise<{ server: RedisServer; admin: Redis }> {
  const server = await startRedis({ args });
  stops.push(() => server.stop());
  return { server, admin: await connections.ready(server, 'queue') };
}

test('in a Cluster every master is examined, and the smallest one counts', async () => {
  const masters = await Promise.all([1, 2].map(() => start(['--cluster-enabled', 'yes'])));
  const [first, second] = masters;
  if (!first || !second) throw new Error('starting a Cluster: a master is missing');
  await first.admin.cluster('ADDSLOTSRANGE', 0, 8191);
  await second.admin.cluster('ADDSLOTSRANGE', 8192, 16_383);
  await first.admin.cluster('MEET', second.server.host, second.server.port);
  for (const { admin } of masters) {
    await eventually(async () => expect(await admin.cluster('INFO')).toContain('cluster_state:ok'), {
      timeoutMs: 20_000,
    });
  }

  const { host, port } = first.server;
  const cluster = connections.open(settingsOf({ kind: 'cluster', nodes: [{ host, port }] }), 'append');
  expect(cluster).toBeInstanceOf(Cluster);
  await whenReady(cluster);
  for (const key of ['a', 'b', 'c', 'd']) await eventually(async () => expect(await cluster.set(key, key)).toBe('OK'));

  await second.admin.config('SET', 'maxmemory', String(100 * MIB));
  expect(await examineRedis(cluster, REQUIRED)).toMatchObject({
    maxmemoryBytes: 100 * MIB,
    backlogBytesMax: 60 * MIB - 512_000,
  });
  await second.admin.config('SET', 'appendfsync', 'everysec');
  await expect(examineRedis(cluster, REQUIRED)).rejects.toThrow('appendfsync is everysec');
});

test('Sentinels are asked for their master, also after a failover', async () => {
  const [former, next] = await Promise.all([start(), start()]);
  await next.admin.replicaof(former.server.host, former.server.port);
  await eventually(async () => expect(await next.admin.info('replication')).toContain('master_link_status:up'), {
    timeoutMs: 20_000,
  });
  const { port, process } = await startSentinel(former.server, {
    quorum: 1,
    downAfterMs: 500,
    failoverTimeoutMs: 3_000,
  });
  stops.push(() => process.kill());
  const redis = connections.open(
    settingsOf({ kind: 'sentinel', sentinels: [{ host: '127.0.0.1', port }], masterName: SENTINEL_MASTER, tls: false }),
    'append',
  );
  await whenReady(redis);
  await redis.set('which', 'former');

  const sentinel = await connections.ready({ host: '127.0.0.1', port }, 'queue');
  await eventually(
    async () => expect(await sentinel.call('SENTINEL', 'REPLICAS', SENTINEL_MASTER)).not.toHaveLength(0),
    {
      timeoutMs: 20_000,
    },
  );
  await former.server.kill();
  await eventually(async () => expect(await redis.set('which', 'next')).toBe('OK'), { timeoutMs: 20_000 });
  expect(await next.admin.get('which')).toBe('next');
});

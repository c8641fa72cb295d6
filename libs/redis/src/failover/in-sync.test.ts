import { IoredisPort, UploaderLane } from '@sink/lane';
import { eventually, type RedisServer, startRedis } from '@sink/testing';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Connections, settingsOf } from '../test/connections.ts';
import { InSyncReplicas } from './in-sync.ts';
import { type Peers, RedisPeers } from './peers.ts';

const BARRIER = { waitaof: false, replicas: 1, timeoutMs: 1_000 };

const connections = new Connections();
let servers: RedisServer[] = [];

/** Real servers: the first is the master of the others. What their Sentinels say is up to the test. */
let first: RedisServer;
let second: RedisServer;
let third: RedisServer;
let sentinelsName: RedisServer | null;

beforeAll(async () => {
  const atOnce = ['--repl-diskless-sync-delay', '0'];
  first = await startRedis({ args: atOnce });
  const follow = ['--replicaof', first.host, String(first.port), ...atOnce];
  [second, third] = await Promise.all([startRedis({ args: follow }), startRedis({ args: follow })]);
  servers = [first, second, third];
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

beforeEach(async () => {
  sentinelsName = first;
  for (const replica of [second, third]) {
    const admin = await adminOf(replica);
    await admin.config('SET', 'masterauth', '', 'masteruser', '', 'replica-priority', '100');
    await admin.replicaof(first.host, first.port);
  }
  const admin = await adminOf(first);
  await eventually(async () => expect((await admin.info('replication')).match(/state=online/g)).toHaveLength(2), {
    timeoutMs: 20_000,
  });
});
afterEach(() => connections.close());

interface Writer {
  readonly write: () => Promise<boolean>;
  readonly replicas: InSyncReplicas;
  readonly promoted: string[];
  readonly dropped: string[];
  readonly asked: string[];
  reconnects: number;
  noSentinel: number;
}

/** A connection to a server that Sentinels named, and what its writes are worth. */
async function writerOn(server: RedisServer, clock = { nowMs: 0 }): Promise<Writer> {
  const target = { kind: 'sentinel', sentinels: [], masterName: 'mymaster', tls: false } as const;
  const peers = new RedisPeers(() => settingsOf(target), target);
  const writer = { promoted: [], dropped: [], asked: [], reconnects: 0, noSentinel: 0 } as unknown as Writer;
  const listening: Peers = {
    ask: (address) => {
      writer.asked.push(address);
      return peers.ask(address);
    },
    askSentinels: async () => {
      if (sentinelsName === null) return null;
      const others = servers.filter((one) => one !== sentinelsName);
      return { master: addressOf(sentinelsName), replicas: others.map(addressOf) };
    },
  };
  const redis: Redis = await connections.ready(server);
  const replicas = new InSyncReplicas({
    peers: listening,
    monotonicMs: () => clock.nowMs,
    reconnect: () => (writer.reconnects += 1),
    changed: (_count, dropped) => writer.dropped.push(...dropped),
    noSentinel: () => (writer.noSentinel += 1),
    failover: (address) => writer.promoted.push(address),
  });
  redis.on('close', () => replicas.closed());
  const lane = new UploaderLane(new IoredisPort(redis, replicas), 'sink', 0);
  return Object.assign(writer, { replicas, write: () => lane.reachedAfterWrite(BARRIER) });
}

/** A connection to the first server, which knows that both replicas are in sync. */
async function inSyncWriter(clock?: { nowMs: number }): Promise<Writer> {
  const writer = await writerOn(first, clock);
  await eventually(async () => expect(await writer.write()).toBe(true));
  expect(writer.replicas.count).toBe(2);
  return writer;
}

const addressOf = ({ host, port }: RedisServer): string => `${host}:${port}`;
const adminOf = (server: RedisServer): Promise<Redis> => connections.ready(server, 'queue');

test('while all replicas have each write, none is asked', async () => {
  const writer = await inSyncWriter();
  writer.asked.length = 0;
  for (let i = 0; i < 20; i++) expect(await writer.write()).toBe(true);
  expect(writer.asked).toEqual([]);
});

test('once one replica was promoted, no write counts that only the other one has', async () => {
  const writer = await inSyncWriter();
  await (await adminOf(second)).call('replicaof', 'NO', 'ONE');
  expect(await writer.write()).toBe(false);
  expect(writer.promoted).toEqual([addressOf(second)]);
  expect(writer.reconnects).toBe(1);
});

test('a connection counts all replicas that follow from its first write on', async () => {
  for (let i = 0; i < 20; i++) {
    const writer = await writerOn(first);
    for (;;) if (await writer.write()) break;
    expect(writer.replicas.count).toBe(2);
  }
});

test('a new connection to the old master finds out before its first write counts', async () => {
  await (await adminOf(second)).call('replicaof', 'NO', 'ONE');
  const writer = await writerOn(first);
  expect(await writer.write()).toBe(false);
  expect(writer.promoted).toEqual([addressOf(second)]);
});

test('a replica that follows another master is a sign of a failover, also when that master cannot be reached', async () => {
  const writer = await inSyncWriter();
  await (await adminOf(second)).call('replicaof', 'NO', 'ONE');
  const other = await adminOf(third);
  await other.replicaof(second.host, second.port);
  await eventually(async () => expect(await other.info('replication')).toContain('master_link_status:up'));
  second.signal('SIGSTOP');
  try {
    expect(await writer.write()).toBe(false);
    expect(writer.promoted).toEqual([addressOf(third)]);
  } finally {
    second.signal('SIGCONT');
  }
});

test('the new master does not wait for the one that it replaced', async () => {
  const [next, other] = [await adminOf(second), await adminOf(third)];
  await next.call('replicaof', 'NO', 'ONE');
  await other.replicaof(second.host, second.port);
  await eventually(async () => expect(await other.info('replication')).toContain('master_link_status:up'));
  sentinelsName = second;
  const writer = await writerOn(second);
  await eventually(async () => expect(await writer.write()).toBe(true));
  expect(writer.promoted).toEqual([]);
  expect(writer.replicas.count).toBe(1);
});

test('a killed replica holds writes up for a moment, and counts again when it is back', async () => {
  const writer = await inSyncWriter();
  await second.kill();
  await eventually(async () => expect(await writer.write()).toBe(true), { timeoutMs: 5_000 });
  expect(writer.replicas.count).toBe(1);
  expect(writer.dropped).toEqual([addressOf(second)]);
  await second.restart();
  await eventually(
    async () => {
      expect(await writer.write()).toBe(true);
      expect(writer.replicas.count).toBe(2);
    },
    { timeoutMs: 20_000 },
  );
});

test('a replica that hangs holds writes up until the Sentinels would have named it', async () => {
  const clock = { nowMs: 0 };
  const writer = await inSyncWriter(clock);
  second.signal('SIGSTOP');
  try {
    expect(await writer.write()).toBe(false);
    clock.nowMs = 2_500;
    await eventually(async () => expect(await writer.write()).toBe(true), { timeoutMs: 5_000 });
    expect(writer.dropped).toEqual([addressOf(second)]);
    for (let i = 0; i < 5; i++) expect(await writer.write()).toBe(true);
  } finally {
    second.signal('SIGCONT');
  }
});

test('a replica that the Sentinels name as the master counts as promoted, also when it cannot be reached', async () => {
  const writer = await inSyncWriter();
  await second.kill();
  sentinelsName = second;
  expect(await writer.write()).toBe(false);
  expect(writer.promoted).toEqual([addressOf(second)]);
  await second.restart();
});

test('without a Sentinel, a replica that cannot be reached is not given up', async () => {
  const writer = await inSyncWriter();
  sentinelsName = null;
  expect(await writer.write()).toBe(true);
  await second.kill();
  expect(await writer.write()).toBe(false);
  expect(writer.noSentinel).toBe(1);
  sentinelsName = first;
  expect(await writer.write()).toBe(true);
  await second.restart();
});

test('a replica that refuses the login holds writes up, and may be the new master', async () => {
  const writer = await inSyncWriter();
  const admin = await adminOf(second);
  await admin.call('replicaof', 'NO', 'ONE');
  await admin.config('SET', 'requirepass', 'other');
  try {
    expect(await writer.write()).toBe(false);
    expect(writer.promoted).toEqual([]);
    sentinelsName = second;
    expect(await writer.write()).toBe(false);
    expect(writer.promoted).toEqual([addressOf(second)]);
  } finally {
    await admin.config('SET', 'requirepass', '');
  }
});

test('a replica that lags holds writes up for ten seconds, and one that is never promoted does not', async () => {
  const clock = { nowMs: 0 };
  const writer = await inSyncWriter(clock);
  // It answers, and cannot get on with its master.
  const lagging = await adminOf(second);
  await lagging.config('SET', 'masterauth', 'wrong', 'masteruser', 'nobody');
  await (await adminOf(first)).call('client', 'kill', 'type', 'replica');
  await eventually(async () => expect(await lagging.info('replication')).toContain('master_link_status:down'));
  const back = async (): Promise<void> => {
    expect((await (await adminOf(first)).info('replication')).match(/state=online/g)).toHaveLength(1);
  };
  await eventually(back, { timeoutMs: 10_000 });
  expect(await writer.write()).toBe(false);
  clock.nowMs = 9_000;
  expect(await writer.write()).toBe(false);
  expect(writer.dropped).toEqual([]);
  await lagging.config('SET', 'replica-priority', '0');
  expect(await writer.write()).toBe(true);
  expect(writer.dropped).toEqual([addressOf(second)]);
  expect(writer.promoted).toEqual([]);
});

import { type RedisServer, startRedis } from '@sink/testing';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { examineRedis } from './examine.ts';
import { RedisNotReady, RedisUnfit } from './requirements.ts';
import type { Requirements } from './requirements.ts';
import { Connections } from './test/connections.ts';

const MIB = 1024 ** 2;
const REQUIRED: Requirements = { durability: 'fsync', maxBacklogBytes: null, receiptsMax: 1000 };

let server: RedisServer;
let redis: Redis;
const connections = new Connections();

beforeAll(async () => {
  server = await startRedis();
  redis = await connections.ready(server);
});

afterAll(async () => {
  connections.close();
  await server.stop();
});

const changed = new Map<string, string>();

/** Changes a setting of the server until the test is over. */
async function given(name: string, value: string): Promise<void> {
  const [, before = ''] = await redis.config('GET', name);
  if (!changed.has(name)) changed.set(name, before);
  await redis.config('SET', name, value);
}

beforeEach(() => changed.clear());

afterEach(async () => {
  for (const [name, value] of changed) await redis.config('SET', name, value);
});

async function problemsOf(required: Partial<Requirements> = {}, client = redis): Promise<string[]> {
  try {
    await examineRedis(client, { ...REQUIRED, ...required });
  } catch (error) {
    if (error instanceof RedisUnfit) return error.problems.map(({ code }) => code);
    throw error;
  }
  return [];
}

test('a Redis that keeps what is asked is fit, and 60 % of its memory less the receipts is for the backlog', async () => {
  const examination = await examineRedis(redis, { ...REQUIRED, lanes: 2 });
  expect(examination.version).toMatch(/^(redis|valkey) \d+\.\d+/);
  expect(examination.maxmemoryBytes).toBe(256 * MIB);
  expect(examination.backlogBytesMax).toBe(Math.floor(256 * MIB * 0.6) - 2 * 1000 * 512);
  expect(examination.warnings).toEqual([]);
});

test('with quarantine, half of the receipts are counted as those of version 2', async () => {
  const { backlogBytesMax } = await examineRedis(redis, { ...REQUIRED, onInvalid: 'quarantine' });
  expect(backlogBytesMax).toBe(Math.floor(256 * MIB * 0.6) - 1000 * (512 + 128));
});

test('WAITAOF is found where the server has it', async () => {
  const known = await redis.call('waitaof', ['0', '0', '1']).then(
    () => true,
    () => false,
  );
  expect((await examineRedis(redis, REQUIRED)).features).toEqual({ waitaof: known });
});

test('a Redis with the settings it comes with gets all its remedies at once', async () => {
  for (const [name, value] of [
    ['maxmemory', '0'],
    ['appendonly', 'no'],
    ['appendfsync', 'everysec'],
  ] as const)
    await given(name, value);
  expect(await problemsOf()).toEqual(['maxmemory', 'appendonly', 'appendfsync']);
});

test('lanes that have no room for the largest body beside their receipts are warned of', async () => {
  await given('maxmemory', String(100 * MIB));
  const required = { ...REQUIRED, lanes: 8, receiptsMax: 2_000, maxBodyBytes: 16 * MIB };
  const { warnings } = await examineRedis(redis, required);
  expect(warnings).toEqual([
    expect.stringMatching(/each lane has room for 6 MiB \(lanes is 8\).*max_body_bytes \(16 MiB\)/),
  ]);
  expect((await examineRedis(redis, { ...required, lanes: 2 })).warnings).toEqual([]);
  const error: unknown = await examineRedis(redis, { ...required, receiptsMax: 20_000 }).catch((e: unknown) => e);
  expect((error as RedisUnfit).message).toMatch(/lower lanes or receipts_max/);
});

test('a policy that evicts is refused, whatever the durability', async () => {
  await given('maxmemory-policy', 'allkeys-lru');
  for (const durability of ['fsync', 'everysec', 'none', 'managed'] as const) {
    expect(await problemsOf({ durability }), durability).toEqual(['policy']);
  }
});

test('without maxmemory a backlog has to be given, and fits the machine', async () => {
  await given('maxmemory', '0');
  const error: unknown = await examineRedis(redis, REQUIRED).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RedisUnfit);
  expect((error as RedisUnfit).message).toMatch(/CONFIG SET maxmemory \d+mb.*max_backlog_bytes/);

  const examination = await examineRedis(redis, { ...REQUIRED, maxBacklogBytes: 10 * MIB });
  expect(examination).toMatchObject({ backlogBytesMax: 10 * MIB, maxmemoryBytes: 0 });
  expect(examination.warnings).toEqual([expect.stringContaining('max_backlog_bytes is the only limit')]);
  expect(await problemsOf({ maxBacklogBytes: 2 ** 50 })).toEqual(['backlog']);
});

test('the remedy for a missing maxmemory works when it is followed', async () => {
  await given('maxmemory', '0');
  await given('maxmemory-policy', 'noeviction');
  const error: unknown = await examineRedis(redis, { ...REQUIRED, receiptsMax: 200_000 }).catch(
    (reason: unknown) => reason,
  );
  const [, value = ''] = /CONFIG SET maxmemory (\d+mb)/.exec((error as RedisUnfit).message) ?? [];
  await redis.config('SET', 'maxmemory', value);
  expect(await problemsOf({ receiptsMax: 200_000 })).toEqual([]);
});

test('backlog and receipts stay within 60 % of maxmemory', async () => {
  await given('maxmemory', String(100 * MIB));
  expect(await problemsOf({ maxBacklogBytes: 59 * MIB })).toEqual([]);
  expect(await problemsOf({ maxBacklogBytes: 60 * MIB })).toEqual(['backlog']);
  expect(await problemsOf({ maxBacklogBytes: 60 * MIB, receiptsMax: 0 })).toEqual([]);
  expect(await problemsOf({ receiptsMax: 200_000 })).toEqual(['maxmemory']);
  expect(await problemsOf({ receiptsMax: 50_000, lanes: 3 })).toEqual(['maxmemory']);
  const fingerprints = { maxFingerprints: 1_000_000 };
  expect(await problemsOf({ ...fingerprints, dedupeWindowMs: 0 })).toEqual([]);
  expect(await problemsOf({ ...fingerprints, dedupeWindowMs: 1 })).toEqual(['maxmemory']);
  expect(await problemsOf({ lanes: 5, manifests: false })).toEqual([]);
  expect(await problemsOf({ lanes: 5, manifests: true })).toEqual(['maxmemory']);
});

test('fsync and everysec ask for an append-only file, none and managed do not', async () => {
  await given('appendonly', 'no');
  expect(await problemsOf({ durability: 'fsync' })).toEqual(['appendonly']);
  expect(await problemsOf({ durability: 'everysec' })).toEqual(['appendonly']);
  expect(await problemsOf({ durability: 'none' })).toEqual([]);
  expect(await problemsOf({ durability: 'managed' })).toEqual([]);
});

test('appendfsync has to be as strong as the durability', async () => {
  await given('appendfsync', 'everysec');
  expect(await problemsOf({ durability: 'fsync' })).toEqual(['appendfsync']);
  expect(await problemsOf({ durability: 'everysec' })).toEqual([]);
  await given('appendfsync', 'no');
  expect(await problemsOf({ durability: 'everysec' })).toEqual(['appendfsync']);
  expect(await problemsOf({ durability: 'none' })).toEqual([]);
});

test('a server that does not fsync while it rewrites its file is refused', async () => {
  await given('no-appendfsync-on-rewrite', 'yes');
  expect(await problemsOf({ durability: 'fsync' })).toEqual(['no_fsync_on_rewrite']);
  expect(await problemsOf({ durability: 'everysec' })).toEqual(['no_fsync_on_rewrite']);
  expect(await problemsOf({ durability: 'none' })).toEqual([]);
});

test('everything that is wrong is said at once, each with its remedy', async () => {
  await given('maxmemory', '0');
  await given('maxmemory-policy', 'volatile-lru');
  await given('appendfsync', 'everysec');
  const error: unknown = await examineRedis(redis, REQUIRED).catch((reason: unknown) => reason);
  const { problems } = error as RedisUnfit;
  expect(problems.map(({ code }) => code)).toEqual(['policy', 'maxmemory', 'appendfsync']);
  for (const { remedy } of problems) expect(remedy).toMatch(/CONFIG SET/);
});

test('a weaker durability is a warning, and so are missing replicas', async () => {
  for (const durability of ['everysec', 'none', 'managed'] as const) {
    const { warnings } = await examineRedis(redis, { ...REQUIRED, durability });
    expect(warnings).toEqual([expect.stringContaining(`durability is ${durability}`)]);
  }
  const { warnings } = await examineRedis(redis, { ...REQUIRED, replicas: 2 });
  expect(warnings).toEqual([expect.stringContaining('replicas is 2, but only 0 are connected')]);
});

test('where CONFIG is forbidden, INFO shows what it can and the operator vouches for the rest', async () => {
  await redis.acl('SETUSER', 'guarded', 'on', '>secret', '~*', '+@all', '-config', '-command');
  await redis.acl('SETUSER', 'blind', 'on', '>secret', '~*', '+@all', '-info');
  const as = async (username: string): Promise<Redis> => {
    const client = await connections.ready(server);
    await client.auth(username, 'secret');
    return client;
  };
  const guarded = await as('guarded');
  expect(await problemsOf({ durability: 'fsync' }, guarded)).toEqual(['appendfsync', 'no_fsync_on_rewrite']);
  const examination = await examineRedis(guarded, { ...REQUIRED, durability: 'managed' });
  expect(examination.maxmemoryBytes).toBe(256 * MIB);
  expect(examination.features).toEqual((await examineRedis(redis, REQUIRED)).features);

  await given('maxmemory-policy', 'volatile-lru');
  expect(await problemsOf({ durability: 'managed' }, guarded)).toEqual(['policy']);
  expect(await problemsOf({ durability: 'managed' }, await as('blind'))).toEqual(['info_forbidden']);
});

test('a replica is not examined but waited for', async () => {
  const replica = await startRedis();
  try {
    const client = await connections.ready(replica);
    await client.replicaof(server.host, server.port);
    await expect(examineRedis(client, REQUIRED)).rejects.toThrow(RedisNotReady);
    await client.replicaof('NO', 'ONE');
    await expect(examineRedis(client, REQUIRED)).resolves.toMatchObject({ warnings: [] });
  } finally {
    await replica.stop();
  }
});

test('a node of a Cluster is refused when it is connected to like a single server', async () => {
  const node = await startRedis({ args: ['--cluster-enabled', 'yes'] });
  try {
    expect(await problemsOf({}, await connections.ready(node))).toEqual(['cluster']);
  } finally {
    await node.stop();
  }
});

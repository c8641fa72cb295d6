import { type RedisServer, startRedis } from '@sink/testing';
import type { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { examineRedis } from './examine.ts';
import { aclRules, forbidden, type NeededPermissions } from './permissions.ts';
import { Connections, settingsOf, whenReady } from './test/connections.ts';

const ALL: NeededPermissions = { durability: 'fsync', replicas: 1, manifests: true, dedupeWindowMs: 1_000 };

let server: RedisServer;
let admin: Redis;
const connections = new Connections();
const admins = new Connections();

beforeAll(async () => {
  server = await startRedis();
  admin = await admins.ready(server);
});
afterEach(async () => {
  connections.close();
  await admin.flushall();
});
afterAll(async () => {
  admins.close();
  await server.stop();
});

/** The rules of the remedy, for the version of this server. */
async function rules(): Promise<string[]> {
  const [text = '', more = ''] = aclRules('shop').split(', and from Redis 7.2 on ');
  const known = (await admin.call('command', 'INFO', 'waitaof')) as readonly unknown[];
  return [...text.split(' '), ...(known[0] === null ? [] : [more])];
}

/** A connection of a user with these rules only. */
async function as(...given: readonly string[]): Promise<Redis | Cluster> {
  await admin.acl('SETUSER', 'sink', 'reset', 'on', '>secret', ...given);
  const target = { kind: 'single', host: server.host, port: server.port } as const;
  const redis = connections.open(settingsOf(target, { username: 'sink', password: 'secret' }));
  await whenReady(redis);
  return redis;
}

test('the user that the remedy describes may do everything, and the trial leaves nothing that stays', async () => {
  expect(await forbidden(await as(...(await rules())), 'shop', ALL)).toBeNull();
  const keys = await admin.keys('*');
  expect(keys).toEqual(['{shop:check}:text']);
  expect(await admin.pttl('{shop:check}:text')).toBeGreaterThan(0);
});

test.each(['xreadgroup', 'bzpopmin', 'evalsha', 'multi', 'set', 'hincrby', 'xclaim', 'info'])(
  'a user without %s is told so, with the whole line that allows it',
  async (command) => {
    const problem = await forbidden(await as(...(await rules()), `-${command}`), 'shop', ALL);
    expect(problem?.found).toContain(`may not run ${command.toUpperCase()}`);
    expect(problem?.remedy).toContain('ACL SETUSER USER ~{shop:* ~{shop}:* resetchannels -@all +@read +@write');
  },
);

test.each([['~shop:*'], ['~{shop:*'], ['~{shop}:*']])(
  'a user with the keys %s only is told which it needs',
  async (pattern) => {
    const problem = await forbidden(await as(...(await rules()), 'resetkeys', pattern), 'shop', ALL);
    expect(problem?.found).toBe('the user of this connection may not use all keys that begin with {shop: and {shop}:');
  },
);

test('what a configuration does not use is not needed', async () => {
  const redis = await as(...(await rules()), '-wait', '-rename', '-smismember');
  expect(await forbidden(redis, 'shop', { durability: 'none' })).toBeNull();
  expect((await forbidden(redis, 'shop', { ...ALL, durability: 'none' }))?.found).toContain('WAIT, SMISMEMBER, RENAME');
});

test('a Redis that is full refuses for another reason', async () => {
  const redis = await as(...(await rules()));
  await admin.config('SET', 'maxmemory', '1mb');
  expect(await forbidden(redis, 'shop', ALL)).toBeNull();
  await admin.config('SET', 'maxmemory', '256mb');
});

test('the examination at start and of `check` tries them', async () => {
  const redis = await as(...(await rules()), '-xreadgroup');
  const required = { sinkName: 'shop', durability: 'fsync', maxBacklogBytes: null, receiptsMax: 1000 } as const;
  await expect(examineRedis(redis, required)).rejects.toThrow(/may not run XREADGROUP\n {4}-> allow it, in redis-cli/);
});

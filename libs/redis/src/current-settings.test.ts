import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@sink/config';
import { silentLog, systemClock } from '@sink/runtime';
import { eventually, type RedisServer, startRedis, temporaryDirectory } from '@sink/testing';
import { Cluster, Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { connectRedis } from './connect.ts';
import { ConnectionTrouble } from './connection-trouble.ts';
import { CurrentSettings } from './current-settings.ts';

const open: { disconnect(): void }[] = [];
const servers: RedisServer[] = [];
afterEach(async () => {
  for (const connection of open.splice(0)) connection.disconnect();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(options: Parameters<typeof startRedis>[0]): Promise<RedisServer> {
  const server = await startRedis(options);
  servers.push(server);
  return server;
}

function kept<T extends { disconnect(): void; on(event: 'error', listener: () => void): unknown }>(connection: T): T {
  connection.on('error', () => undefined);
  open.push(connection);
  return connection;
}

/** A connection of a service with this configuration, and what its file says. */
function connectWith(overrides: Record<string, unknown>): { redis: Redis | Cluster; settings: CurrentSettings } {
  const config = loadConfig({ env: {}, overrides });
  const settings = new CurrentSettings(config, { log: silentLog, clock: systemClock });
  const current = () => settings.now();
  return { redis: kept(connectRedis(settings.now(), 'commands', { onError: () => undefined, current })), settings };
}

const answers = (redis: Redis | Cluster) => eventually(async () => expect(await redis.ping()).toBe('PONG'));

/** Changes the password of a server as an administrator does, and ends all connections. */
async function rotate(server: RedisServer, from: string, to: string): Promise<void> {
  const admin = kept(new Redis(server.port, server.host, { password: from }));
  await admin.config('SET', 'requirepass', to);
  await admin.call('client', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  open.splice(open.indexOf(admin), 1)[0]?.disconnect();
}

test('a new password in its file is used at the next connection, also by a copy as BullMQ makes it', async () => {
  const server = await start({ password: 'first' });
  const file = join(temporaryDirectory('password'), 'redis');
  writeFileSync(file, 'first\n');
  const { redis } = connectWith({ 'redis.url': `redis://127.0.0.1:${server.port}`, 'redis.password_file': file });
  await answers(redis);
  if (redis instanceof Cluster) throw new Error('this is no Cluster');
  const copy = kept(redis.duplicate());
  const trouble = new ConnectionTrouble(redis);
  await answers(copy);
  await rotate(server, 'first', 'second');
  await eventually(() => expect(trouble.problem?.found).toMatch(/refuses the login/));
  // A file that is replaced may be missing for a moment.
  writeFileSync(file, '');
  await eventually(() => expect(trouble.problem?.found).toMatch(/refuses the login/));
  writeFileSync(file, 'second\n');
  await answers(redis);
  await answers(copy);
  expect(trouble.problem).toBeNull();
});

test('another address in the file of the URL is used at the next connection', async () => {
  const [first, second] = [await start({}), await start({})];
  const file = join(temporaryDirectory('url'), 'redis');
  writeFileSync(file, first.url);
  const { redis } = connectWith({ 'redis.url_file': file });
  await answers(redis);
  writeFileSync(file, second.url);
  await first.kill();
  await eventually(async () => expect(await redis.set('where', 'second')).toBe('OK'));
  expect(await kept(new Redis(second.url)).get('where')).toBe('second');
});

test('in a Cluster a new password is used for every node', async () => {
  const server = await start({
    password: 'first',
    args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
  });
  const admin = kept(new Redis(server.port, server.host, { password: 'first' }));
  await admin.cluster('ADDSLOTSRANGE', 0, 16_383);
  await eventually(async () => expect(await admin.cluster('INFO')).toContain('cluster_state:ok'), {
    timeoutMs: 20_000,
  });
  const file = join(temporaryDirectory('password'), 'redis');
  writeFileSync(file, 'first');
  const nodes = `127.0.0.1:${server.port}`;
  const { redis } = connectWith({ 'redis.cluster_nodes': nodes, 'redis.password_file': file });
  await eventually(async () => expect(await redis.set('a', 1)).toBe('OK'));
  writeFileSync(file, 'second');
  await rotate(server, 'first', 'second');
  await eventually(async () => expect(await redis.set('b', 1)).toBe('OK'), { timeoutMs: 15_000 });
});

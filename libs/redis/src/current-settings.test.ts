import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { loadConfig } from '@sink/config';
import { silentLog, systemClock } from '@sink/runtime';
import {
  type Certificate,
  eventually,
  freePort,
  makeCertificate,
  type ManagedProcess,
  type RedisServer,
  SENTINEL_MASTER,
  startRedis,
  startSentinel,
  temporaryDirectory,
} from '@sink/testing';
import { Cluster, Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { connectRedis } from './connect.ts';
import { ConnectionTrouble } from './connection-trouble.ts';
import { CurrentSettings } from './current-settings.ts';
import { RedisPeers } from './failover/peers.ts';
import { listenToSentinel } from './failover/questions.ts';

const open: { disconnect(): void }[] = [];
const servers: RedisServer[] = [];
const processes: ManagedProcess[] = [];
afterEach(async () => {
  for (const connection of open.splice(0)) connection.disconnect();
  await Promise.all(processes.splice(0).map((process) => process.kill()));
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

test('files of TLS: a new authority of Redis, and a new certificate of the client, also in a copy as BullMQ makes it', async () => {
  const [oldOwn, oldClient, own, client] = [certificate(), certificate(), certificate(), certificate()];
  const { directory, tlsPort, renew } = await startTls(oldOwn, oldClient);
  const files = writePem(directory, 'sink', oldClient);
  const ca = join(directory, 'ca.crt');
  writeFileSync(ca, oldOwn.cert);
  const { redis } = connectWith({
    'redis.url': `rediss://127.0.0.1:${tlsPort}`,
    'redis.tls_ca_file': ca,
    'redis.tls_cert_file': files.cert,
    'redis.tls_key_file': files.key,
  });
  await answers(redis);
  if (redis instanceof Cluster) throw new Error('this is no Cluster');
  const copy = kept(redis.duplicate());
  const trouble = new ConnectionTrouble(redis);
  await answers(copy);

  await renew(own, client);
  await eventually(() => expect(trouble.problem?.remedy).toMatch(/redis\.tls_ca_file/));
  writeFileSync(ca, own.cert);
  await eventually(() => expect(trouble.problem?.remedy).toMatch(/redis\.tls_cert_file/));
  // One file is replaced after the other, and for a moment the key is not that of the certificate.
  writeFileSync(files.cert, client.cert);
  await setTimeout(MISMATCH_MS);
  writeFileSync(files.key, client.key);
  await answers(redis);
  await answers(copy);
  expect(trouble.problem).toBeNull();
});

test('files of TLS that do not belong together are a mistake at the start', () => {
  const { cert, key } = writePem(temporaryDirectory('tls'), 'sink', { ...certificate(), key: certificate().key });
  const settings = { 'redis.url': 'rediss://127.0.0.1:1', 'redis.tls_cert_file': cert, 'redis.tls_key_file': key };
  expect(() => connectWith(settings)).toThrow(/redis\.tls_key_file the key of redis\.tls_cert_file/);
});

test('with Sentinels: to the master, to a Sentinel that is asked for it, and to one that is listened to', async () => {
  const [before, after] = [certificate(), certificate()];
  const { server, directory, tlsPort, renew } = await startTls(before, null, { password: 'first' });
  const file = (name: string): string => join(directory, name);
  const node = { host: '127.0.0.1', port: await freePort() };
  const watch = async (own: Certificate, password: string, ofMaster: string): Promise<ManagedProcess> => {
    const { cert, key } = writePem(directory, 'sentinel', own);
    const { process } = await startSentinel(
      { host: '127.0.0.1', port: tlsPort },
      {
        ...{ quorum: 1, downAfterMs: 60_000, failoverTimeoutMs: 60_000 },
        lines: [
          `requirepass ${password}`,
          `sentinel auth-pass ${SENTINEL_MASTER} ${ofMaster}`,
          ...[`tls-port ${node.port}`, 'tls-replication yes', 'tls-auth-clients no'],
          ...[`tls-cert-file ${cert}`, `tls-key-file ${key}`, `tls-ca-cert-file ${cert}`],
        ],
      },
    );
    processes.push(process);
    return process;
  };
  const write = (ca: Certificate, password: string, ofSentinel: string): void => {
    writeFileSync(file('ca.crt'), ca.cert);
    writeFileSync(file('password'), password);
    writeFileSync(file('sentinel-password'), ofSentinel);
  };
  const sentinel = await watch(before, 'watch', 'first');
  write(before, 'first', 'watch');
  const { redis, settings } = connectWith({
    'redis.sentinels': `${node.host}:${node.port}`,
    'redis.sentinel_master': SENTINEL_MASTER,
    'redis.sentinel_tls': true,
    'redis.sentinel_password_file': file('sentinel-password'),
    'redis.password_file': file('password'),
    'redis.tls_ca_file': file('ca.crt'),
  });
  const current = () => settings.now();
  const { target } = current();
  if (target.kind !== 'sentinel') throw new Error('there are Sentinels');
  const listener = kept(listenToSentinel(current, node));
  const peers = new RedisPeers(current, target);
  await listener.subscribe('+switch-master');
  const allAnswer = async (): Promise<void> => {
    await answers(redis);
    await eventually(() => expect(listener.status).toBe('ready'));
    await eventually(async () => expect(await peers.askSentinels()).not.toBeNull());
  };
  await allAnswer();

  await sentinel.kill();
  await renew(after, after);
  await rotate(server, 'first', 'second');
  await watch(after, 'look', 'second');
  await eventually(() => expect(redis.ping()).rejects.toThrow());
  expect(await peers.askSentinels()).toBeNull();
  write(after, 'second', 'look');
  await allAnswer();
});

/** Longer than several attempts to connect. */
const MISMATCH_MS = 1_500;

function certificate(): Certificate {
  const made = makeCertificate(['IP:127.0.0.1']);
  if (made === null) throw new Error('these tests need openssl');
  return made;
}

function writePem(directory: string, name: string, { cert, key }: Certificate): { cert: string; key: string } {
  const files = { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  return files;
}

/** A redis-server with TLS, and the administrator's way to give it another certificate and other clients. */
async function startTls(own: Certificate, clients: Certificate | null, options: { password?: string } = {}) {
  const directory = temporaryDirectory('tls');
  const tlsPort = await freePort();
  const trusted = join(directory, 'clients.crt');
  const write = (cert: Certificate, ofClients: Certificate): readonly (readonly [string, string])[] => {
    const files = writePem(directory, 'server', cert);
    writeFileSync(trusted, ofClients.cert);
    return [
      ['tls-cert-file', files.cert],
      ['tls-key-file', files.key],
      ['tls-ca-cert-file', trusted],
    ];
  };
  const settings = write(own, clients ?? own);
  const fixed = ['--tls-port', String(tlsPort), '--tls-auth-clients', clients === null ? 'no' : 'yes'];
  const files = settings.flatMap(([name, value]) => [`--${name}`, value]);
  const server = await start({ ...options, args: [...fixed, ...files] });
  const renew = async (newOwn: Certificate, newClients: Certificate): Promise<void> => {
    const admin = kept(new Redis(server.port, server.host, options));
    await admin.call('config', 'SET', ...write(newOwn, newClients).flat());
    await admin.call('client', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    admin.disconnect();
  };
  return { server, directory, tlsPort, renew };
}

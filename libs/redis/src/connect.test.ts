import {
  eventually,
  freePort,
  type Proxy,
  type RedisServer,
  startProxy,
  startRedis,
  temporaryDirectory,
} from '@sink/testing';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { limitCommands } from './connect.ts';
import { Connections, settingsOf, whenReady } from './test/connections.ts';

let server: RedisServer;
const connections = new Connections();

beforeAll(async () => {
  server = await startRedis();
});

afterEach(() => connections.close());

afterAll(() => server.stop());

async function behindProxy(use: (proxy: Proxy) => Promise<void>): Promise<void> {
  const proxy = await startProxy(server);
  try {
    await use(proxy);
  } finally {
    await proxy.close();
  }
}

const ROLES = ['append', 'commands', 'blocking'] as const;

test.each(ROLES)('an %s call that is cut off settles at once, and is not sent again', async (role) => {
  await behindProxy(async (proxy) => {
    const key = `cut-${role}`;
    const redis = await connections.ready(proxy, role);
    proxy.blackhole(true, 'answers');
    const calls = [redis.incr(key), redis.incr(key)];
    const settled = Promise.allSettled(calls);
    const direct = await connections.ready(server);
    await eventually(async () => expect(await direct.get(key)).toBe('2'));
    proxy.cut();
    for (const result of await settled) expect(result.status).toBe('rejected');

    proxy.blackhole(false);
    await eventually(() => redis.status === 'ready');
    expect(await redis.incr(key)).toBe(3);
  });
});

test('a call without a connection fails at once instead of waiting for one', async () => {
  await behindProxy(async (proxy) => {
    const redis = await connections.ready(proxy, 'append');
    await proxy.refuse(true);
    proxy.cut();
    await eventually(() => redis.status !== 'ready');
    await expect(redis.ping()).rejects.toThrow("Stream isn't writeable");
    await proxy.refuse(false);
    await eventually(async () => expect(await redis.ping()).toBe('PONG'));
    expect(connections.errors.length).toBeGreaterThan(0);
  });
});

test.each(ROLES)('a blackholed %s connection times out, and a new one takes its place', async (role) => {
  await behindProxy(async (proxy) => {
    const redis = await connections.ready(proxy, role, { commandTimeoutMs: 200 });
    proxy.blackhole(true);
    await expect(redis.ping()).rejects.toThrow('timed out');
    // Nobody closes the old connection, and what it still has in it never comes: only a new one can answer.
    await eventually(() => redis.status === 'reconnecting' || redis.status === 'connect');
    proxy.cut();
    proxy.blackhole(false);
    await eventually(async () => expect(await redis.ping()).toBe('PONG'));
  });
});

test('a connection takes another time limit from its next call on', async () => {
  await behindProxy(async (proxy) => {
    const redis = await connections.ready(proxy, 'append', { commandTimeoutMs: 60_000 });
    limitCommands(redis, 200);
    proxy.blackhole(true);
    await expect(redis.ping()).rejects.toThrow('timed out');
  });
});

test('a connection that is idle is left alone', async () => {
  const redis = await connections.ready(server, 'commands', { commandTimeoutMs: 200 });
  const id = await redis.client('ID');
  await new Promise((resolve) => setTimeout(resolve, 900)); // longer than silence is borne while an answer is due
  expect(await redis.client('ID')).toBe(id);
});

test('a blocking read outlasts neither its timeout nor a dead connection', async () => {
  await behindProxy(async (proxy) => {
    const redis = await connections.ready(proxy, 'blocking', { commandTimeoutMs: 1_000 });
    expect(await redis.call('xread', 'BLOCK', '50', 'STREAMS', 'none', '$')).toBeNull();
    proxy.blackhole(true);
    await expect(redis.call('xread', 'BLOCK', '50', 'STREAMS', 'none', '$')).rejects.toThrow('timed out');
  });
});

test('a master that became a replica is left, and found again when it is master', async () => {
  const former = await startRedis();
  try {
    const redis = await connections.ready(former, 'append');
    const admin = await connections.ready(former, 'queue');
    const id = await redis.client('ID');
    await admin.replicaof(server.host, server.port);
    await expect(redis.set('a', 1)).rejects.toThrow('READONLY');
    await eventually(async () => expect(await redis.client('ID')).not.toBe(id));
    await admin.replicaof('NO', 'ONE');
    await eventually(async () => expect(await redis.set('a', 1)).toBe('OK'));
  } finally {
    await former.stop();
  }
});

test('a restarted server is found again by every role', async () => {
  const restarted = await startRedis();
  try {
    const all = await Promise.all([...ROLES, 'queue' as const].map((role) => connections.ready(restarted, role)));
    await restarted.kill();
    await restarted.restart();
    for (const redis of all) await eventually(async () => expect(await redis.ping()).toBe('PONG'));
  } finally {
    await restarted.stop();
  }
});

test('login by password, by user, through a socket, and to another database', async () => {
  const socket = join(temporaryDirectory('socket'), 'redis.sock');
  const guarded = await startRedis({ password: 'a b%@/', args: ['--unixsocket', socket] });
  try {
    const target = { kind: 'single', host: guarded.host, port: guarded.port } as const;
    const byPassword = connections.open(settingsOf(target, { password: 'a b%@/', db: 3 }));
    await whenReady(byPassword);
    expect(await byPassword.client('INFO')).toMatch(/ db=3 .*/);
    await byPassword.acl('SETUSER', 'someone', 'on', '>other', '~*', '+@all');

    const bySocket = connections.open(
      settingsOf({ kind: 'socket', path: socket }, { username: 'someone', password: 'other' }),
      'append',
      { name: 'writer-1' },
    );
    await whenReady(bySocket);
    expect(await bySocket.acl('WHOAMI')).toBe('someone');
    expect(await bySocket.client('GETNAME')).toBe('writer-1');
  } finally {
    await guarded.stop();
  }
});

test('TLS with a certificate of its own authority; without that authority it is refused', async (context) => {
  const directory = temporaryDirectory('tls');
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  try {
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=sink'];
    const names = ['-addext', 'subjectAltName=DNS:redis.test', '-keyout', key, '-out', cert];
    execFileSync('openssl', [...args, ...names], { stdio: 'ignore' });
  } catch {
    return context.skip('there is no openssl on this machine');
  }
  const encrypted = await startRedis({
    args: ['--tls-port', '0', '--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert],
  }).catch(() => null);
  if (encrypted === null) return context.skip('this redis-server knows no TLS');
  try {
    const admin = await connections.ready(encrypted);
    const tlsPort = await openTlsPort(admin);
    const target = { kind: 'single', host: encrypted.host, port: tlsPort } as const;
    const pem = (file: string): string => readFileSync(file, 'utf8');
    const trusted = connections.open(
      settingsOf(target, {
        tls: { ca: pem(cert), cert: pem(cert), key: pem(key), serverName: 'redis.test', verify: true },
      }),
    );
    await whenReady(trusted);
    expect(await trusted.ping()).toBe('PONG');

    connections.errors.length = 0;
    connections.open(settingsOf(target, { tls: { verify: true } }));
    await eventually(() => expect(connections.errors[0]?.message).toMatch(/self-signed/));
  } finally {
    await encrypted.stop();
  }
});

async function openTlsPort(admin: { config(action: 'SET', name: string, value: string): Promise<unknown> }) {
  const port = await freePort();
  await admin.config('SET', 'tls-port', String(port));
  return port;
}

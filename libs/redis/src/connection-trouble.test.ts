import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type TlsOptions } from 'node:tls';
import { type RedisTls } from '@sink/config';
import { eventually, type RedisServer, startRedis, temporaryDirectory } from '@sink/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ConnectionTrouble } from './connection-trouble.ts';
import { Connections, settingsOf, whenReady } from './test/connections.ts';

const directory = temporaryDirectory('tls');
const connections = new Connections();
const servers: { close(): unknown }[] = [];
let redis: RedisServer;

const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
const pem = (name: string): string => readFileSync(join(directory, name), 'utf8');

beforeAll(async () => {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  writeFileSync(join(directory, 'names'), 'subjectAltName=DNS:redis.test\n');
  for (const authority of ['known', 'stranger']) {
    const files = ['-keyout', `${authority}.key`, '-out', `${authority}.crt`];
    openssl('req', '-x509', ...newKey, ...files, '-subj', `/CN=${authority}`, '-days', '2');
  }
  for (const [name, authority] of [
    ['server', 'known'],
    ['client', 'known'],
    ['other', 'stranger'],
  ] as const) {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=x');
    const by = ['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-CAcreateserial'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.crt`, '-days', '2', '-extfile', 'names');
  }
  redis = await startRedis();
});
afterEach(() => {
  connections.close();
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => redis.stop());

/** TLS in front of Redis. @returns its port */
async function startTls(options: TlsOptions = {}): Promise<number> {
  const server = createServer({ key: pem('server.key'), cert: pem('server.crt'), ...options }, (client) => {
    const upstream = connect(redis.port, redis.host);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const MUTUAL = { requestCert: true, rejectUnauthorized: true } as const;
const trusted = (more: Partial<RedisTls> = {}): RedisTls => ({
  verify: true,
  ca: pem('known.crt'),
  serverName: 'redis.test',
  ...more,
});

function open(port: number, tls: RedisTls | null): ConnectionTrouble {
  return new ConnectionTrouble(connections.open(settingsOf({ kind: 'single', host: '127.0.0.1', port }, { tls })));
}

const CASES: readonly (readonly [what: string, options: TlsOptions, tls: () => RedisTls | null, remedy: RegExp])[] = [
  ['an unknown authority', {}, () => ({ verify: true, serverName: 'redis.test' }), /redis\.tls_ca_file/],
  ['a certificate for another name', {}, () => trusted({ serverName: 'x.test' }), /redis\.tls_server_name/],
  ['no certificate of the client', MUTUAL, () => trusted(), /redis\.tls_cert_file and redis\.tls_key_file/],
  [
    'a certificate of the client that Redis does not know',
    MUTUAL,
    () => trusted({ cert: pem('other.crt'), key: pem('other.key') }),
    /redis\.tls_cert_file and redis\.tls_key_file/,
  ],
  [
    'no certificate of the client, with TLS 1.2',
    { ...MUTUAL, maxVersion: 'TLSv1.2' },
    () => trusted(),
    /redis\.tls_cert_file and redis\.tls_key_file/,
  ],
  ['redis:// at a TLS port', {}, () => null, /use rediss:\/\/ instead of redis:\/\//],
];

test.each(CASES)('%s has a remedy', async (_what, options, tls, remedy) => {
  const port = await startTls({ ...options, ca: pem('known.crt') });
  const trouble = open(port, tls());
  await eventually(() => expect(trouble.problem?.remedy).toMatch(remedy));
});

test('rediss:// at a port without TLS has a remedy', async () => {
  const trouble = open(redis.port, trusted());
  await eventually(() => expect(trouble.problem?.remedy).toMatch(/use redis:\/\/ instead of rediss:\/\//), {
    timeoutMs: 15_000,
  });
});

test('a connection that is ready has none, also after it was lost', async () => {
  const port = await startTls({ ...MUTUAL, ca: pem('known.crt') });
  const tls = trusted({ cert: pem('client.crt'), key: pem('client.key') });
  const connection = connections.open(settingsOf({ kind: 'single', host: '127.0.0.1', port }, { tls }));
  const trouble = new ConnectionTrouble(connection);
  await whenReady(connection);
  expect(trouble.problem).toBeNull();
  await redis.restart();
  await eventually(async () => expect(await connection.ping()).toBe('PONG'));
  expect(trouble.problem).toBeNull();
});

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { eventually } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { binary, send } from '../../test/harness.ts';
import { certificate, startTlsIngest, TlsClient, TlsFiles, type TlsIngest } from '../../test/tls-world.ts';

const failed = ({ tlsMetric }: TlsIngest, reason: string): Promise<number> =>
  tlsMetric(`sink_ingest_handshakes_failed_total{reason="${reason}"}`);

function rawClient(port: number, bytes: Buffer | null): Socket {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  socket.resume();
  if (bytes !== null) socket.write(bytes);
  onTestFinished(() => void socket.destroy());
  return socket;
}

test('events are taken over TLS, several on a connection, and a client that ends its side still reads its answer', async () => {
  const ingest = await startTlsIngest(new TlsFiles(certificate()));
  const client = await TlsClient.connect(ingest.port, { ALPNProtocols: ['h2', 'http/1.1'] });
  expect(client.socket.alpnProtocol).toBe('http/1.1');
  expect(await client.post()).toBe(202);
  expect(await client.post()).toBe(202);

  ingest.appender.hold();
  const half = await TlsClient.connect(ingest.port);
  const answer = half.post();
  half.socket.end();
  await expect.poll(() => ingest.appender.held?.length).toBe(1);
  expect(ingest.appender.gone.at(-1)?.()).toBe(false);
  ingest.appender.letGo();
  expect(await answer).toBe(202);
  expect(await ingest.metric('sink_ingest_connection_age_seconds_count')).toBe(2);
});

test('what is no HTTP within TLS gets its 400, and its connection ends', async () => {
  const ingest = await startTlsIngest(new TlsFiles(certificate()));
  const client = await TlsClient.connect(ingest.port);
  client.socket.write('NO HTTP\r\n\r\n');
  await once(client.socket, 'end');
  expect(client.text).toMatch(/^HTTP\/1\.1 400 [^]*malformed HTTP/);
  expect(await ingest.metric('sink_ingest_requests_refused_total{reason="malformed_http"}')).toBe(1);
});

test('versions of TLS below the lowest are refused, and counted', async () => {
  const own = certificate();
  const attempt = async (port: number, version: 'TLSv1.1' | 'TLSv1.2'): Promise<string | null> => {
    const ciphers = 'DEFAULT@SECLEVEL=0';
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false, ciphers };
    const socket = connectTls({ ...options, minVersion: 'TLSv1', maxVersion: version });
    onTestFinished(() => void socket.destroy());
    return once(socket, 'secureConnect').then(
      () => socket.getProtocol(),
      () => 'refused',
    );
  };
  const usual = await startTlsIngest(new TlsFiles(own));
  expect(await attempt(usual.port, 'TLSv1.2')).toBe('TLSv1.2');
  expect(await attempt(usual.port, 'TLSv1.1')).toBe('refused');
  await eventually(async () => expect(await failed(usual, 'version')).toBe(1));
  const strict = await startTlsIngest(new TlsFiles(own, null, '1.3'));
  expect(await attempt(strict.port, 'TLSv1.2')).toBe('refused');
  expect(await (await TlsClient.connect(strict.port)).post()).toBe(202);
});

test('a client that speaks plain HTTP reads what is wrong, and no broker takes that for a fault of the event', async () => {
  const ingest = await startTlsIngest(new TlsFiles(certificate()));
  const answer = await send(ingest.port, { headers: binary() });
  expect(answer).toMatchObject({ status: 503, body: expect.stringContaining('post to https://') as string });
  expect(await failed(ingest, 'plain_http')).toBe(1);
});

test('garbage in place of a handshake holds nothing up, and one that just connects and leaves is not counted', async () => {
  const ingest = await startTlsIngest(new TlsFiles(certificate()));
  // The first byte of a record of TLS says what it is: of some, a server has to wait for the rest.
  const noise = (): Buffer => Buffer.concat([Buffer.from([0]), randomBytes(300)]);
  const garbage = Array.from({ length: 100 }, () => once(rawClient(ingest.port, noise()), 'close'));
  const left = rawClient(ingest.port, null);
  const gone = once(left, 'close');
  left.once('connect', () => left.resetAndDestroy());
  expect(await (await TlsClient.connect(ingest.port)).post()).toBe(202);
  await Promise.all([...garbage, gone]);
  await eventually(async () => expect(await failed(ingest, 'other')).toBe(100));
});

/** The beginning of a ClientHello of 512 bytes. */
const HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);

test('500 clients that never finish their handshakes hold nothing up, and are ended in time though they go on sending', async () => {
  const limits = { handshakeTimeoutMs: 1_500, checkIntervalMs: 50 };
  const ingest = await startTlsIngest(new TlsFiles(certificate()), { timeouts: limits });
  const slow = Array.from({ length: 500 }, () => rawClient(ingest.port, HELLO));
  // `once` of node:events would reject where a drop meets a connection that has just been ended: that is a reset.
  const closed = Promise.all(slow.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  const dripping = setInterval(() => slow.forEach((socket) => socket.writable && socket.write('x')), 200);
  onTestFinished(() => clearInterval(dripping));
  await Promise.all(slow.map((socket) => once(socket, 'connect')));
  const client = await TlsClient.connect(ingest.port);
  expect(await client.post()).toBe(202);
  expect(await failed(ingest, 'timeout')).toBe(0);
  await closed;
  await eventually(async () => expect(await failed(ingest, 'timeout')).toBe(500));
  expect(await client.post()).toBe(202);
});

test('a look at the own port is answered without a handshake, and counts as no failure', async () => {
  const ingest = await startTlsIngest(new TlsFiles(certificate()));
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect(ingest.lateness.acceptLagMs(performance.now())).toBeLessThan(500);
  for (const reason of ['plain_http', 'version', 'timeout', 'refused', 'other']) {
    expect(await failed(ingest, reason), reason).toBe(0);
  }
});

test('a stop answers what is in flight with the end of its connection, and ends handshakes that do not finish', async () => {
  const ingest = await startTlsIngest(new TlsFiles(certificate()), { timeouts: { drainMaxMs: 300 } });
  const [idle, busy] = [await TlsClient.connect(ingest.port), await TlsClient.connect(ingest.port)];
  expect(await idle.post()).toBe(202);
  const shaking = rawClient(ingest.port, HELLO);
  await once(shaking, 'connect');
  ingest.appender.hold();
  const answer = busy.post();
  await expect.poll(() => ingest.appender.held?.length).toBe(1);
  const stopped = ingest.server.close();
  ingest.appender.letGo();
  expect(await answer).toBe(202);
  expect(busy.text).toContain('Connection: close');
  await Promise.all([stopped, once(shaking, 'close')]);
});

import { once } from 'node:events';
import { request } from 'node:https';
import { expect, test } from 'vitest';
import { binary, RAW_BINARY, RawClient, send, startIngest } from '../test/harness.ts';
import { producersOf } from '../test/producers-world.ts';
import { certificate, startTlsIngest, TlsClient, TlsFiles } from '../test/tls-world.ts';

const MIB = 1024 * 1024;
const POST = `POST / HTTP/1.1\r\n${RAW_BINARY}`;
const closed = (): ReturnType<typeof producersOf> => producersOf([{ name: 'p', bearer: { tokens: ['t'] } }]);

test('a client that sends 16 MiB all the same can read its 401, with a length and in chunks', async () => {
  const ingest = await startIngest({ producers: closed() });
  for (const more of [{ 'Content-Length': 16 * MIB }, { 'Transfer-Encoding': 'chunked' }]) {
    const answer = await send(ingest.port, { headers: binary(more), body: Buffer.alloc(16 * MIB) });
    expect(answer).toMatchObject({ status: 401, headers: { connection: 'close' } });
    expect(answer.body).toMatch(/credentials/);
  }
  expect(ingest.appender.lines).toEqual([]);
});

test("a stranger gets the answer before a byte of its body is sent, and takes no room; a producer's body is read", async () => {
  const ingest = await startIngest({ producers: closed() });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: ${16 * MIB}\r\n\r\n`);
  expect(await client.until(/wrong ones\n/)).toMatch(/^HTTP\/1\.1 401 /);
  expect(await ingest.metric('sink_ingest_in_flight_bytes')).toBe(0);
  const known = new RawClient(ingest.port);
  known.send(`${POST}Authorization: Bearer t\r\nContent-Length: 2\r\n\r\nok`);
  await known.until(/^HTTP\/1\.1 202/);
});

test('a stranger that asks first is not told to send; a producer is', async () => {
  const ingest = await startIngest({ producers: closed() });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`);
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 401 [^]*WWW-Authenticate: Bearer/);
  const known = new RawClient(ingest.port);
  known.send(`${POST}Authorization: Bearer t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
  await known.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  known.send('ok');
  await known.until(/HTTP\/1\.1 202/);
});

test('over TLS, a stranger that sends 16 MiB can read its 401, and one that asks first is not told to send', async () => {
  const ingest = await startTlsIngest(new TlsFiles(certificate()), { producers: closed() });
  const headers = binary({ 'Content-Length': 16 * MIB });
  const options = { host: '127.0.0.1', port: ingest.port, method: 'POST', headers, rejectUnauthorized: false };
  const status = await new Promise((resolve, reject) => {
    const outgoing = request({ ...options, agent: false }, (incoming) => {
      incoming.resume();
      incoming.once('end', () => resolve([incoming.statusCode, incoming.headers['www-authenticate']]));
    });
    outgoing.once('error', reject);
    outgoing.end(Buffer.alloc(16 * MIB));
  });
  expect(status).toEqual([401, 'Bearer realm="sink-aws-s3"']);
  const client = await TlsClient.connect(ingest.port);
  client.socket.write(`${POST}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`);
  await once(client.socket, 'end');
  expect(client.text).toMatch(/^HTTP\/1\.1 401 /);
});

test('the next request on a connection is judged anew', async () => {
  const ingest = await startIngest({ producers: closed() });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Authorization: Bearer t\r\nContent-Length: 0\r\n\r\n${POST}Content-Length: 0\r\n\r\n`);
  expect(await client.until(/wrong ones\n/)).toMatch(/^HTTP\/1\.1 202 [^]*HTTP\/1\.1 401 /);
  client.send(`${POST}Authorization: Bearer t\r\nContent-Length: 0\r\n\r\n`);
  await client.until(/401 [^]*HTTP\/1\.1 202/);
});

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { freePort, makeCertificate } from '@sink/testing';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { askReadiness } from './ask-readiness.ts';

const answers: Readonly<Record<string, { readonly status: number; readonly body: string }>> = {
  '/ready': { status: 200, body: '{"ready":true,"problems":{}}\n' },
  '/problems': { status: 503, body: '{"ready":false,"problems":{"redis":"no answer","bucket":"access denied"}}' },
  '/silent-503': { status: 503, body: '{}' },
  '/contradiction': { status: 200, body: '{"ready":true,"problems":{"redis":"no answer"}}' },
  '/no-json': { status: 200, body: 'It works!' },
  '/long': { status: 500, body: 'x'.repeat(3_000) },
};
const server = createServer(({ url = '' }, response) => {
  const answer = answers[url];
  if (answer !== undefined) response.writeHead(answer.status).end(answer.body);
});
let base: string;

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const ask = (path: string) => askReadiness(`${base}${path}`, 1_000);

test('a service that answers 200 without problems is ready', async () => {
  expect(await ask('/ready')).toEqual({ ready: true, problems: {}, text: '{"ready":true,"problems":{}}' });
});

test.each([
  ['/problems', { redis: 'no answer', bucket: 'access denied' }],
  ['/silent-503', { '': 'not ready: status 503' }],
  ['/contradiction', { redis: 'no answer' }],
  ['/no-json', { '': 'not ready: status 200, without JSON' }],
  ['/long', { '': 'not ready: status 500, without JSON' }],
])('the answer at %s is not ready, and its problems have names', async (path, problems) => {
  expect(await ask(path)).toMatchObject({ ready: false, problems });
});

test('the text is the answer of the service, cut to a length for logs', async () => {
  expect((await ask('/problems')).text).toBe(answers['/problems']?.body);
  expect((await ask('/long')).text).toBe('x'.repeat(2_000));
});

test('a service that cannot be reached, or hangs, is not ready', async () => {
  const gone = await askReadiness(`http://127.0.0.1:${await freePort()}/readyz`, 1_000);
  expect(gone).toMatchObject({ ready: false, problems: { '': 'cannot be reached' } });
  expect(gone.text).toContain('ECONNREFUSED');
  expect(await askReadiness(`${base}/hangs`, 100)).toEqual({
    ready: false,
    problems: { '': 'no answer within 100 ms' },
    text: 'no answer within 100 ms',
  });
});

test('a service is asked by HTTPS whatever name its certificate is for', async () => {
  const certificate = makeCertificate(['DNS:events.example.com']);
  if (certificate === null) throw new Error('this test needs openssl');
  const tlsServer = createTlsServer(certificate, (_, response) => void response.end(answers['/ready']?.body));
  await once(tlsServer.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void tlsServer.close());
  const url = `https://127.0.0.1:${(tlsServer.address() as AddressInfo).port}/readyz`;
  expect(await askReadiness(url, 1_000)).toMatchObject({ ready: true, problems: {} });
});

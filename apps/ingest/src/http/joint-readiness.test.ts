import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger, Readiness, Registry, startOpsServer } from '@sink/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { send, startIngest } from '../test/harness.ts';

async function otherService() {
  const readiness = new Readiness();
  const log = createLogger({ service: 'batcher', level: 'silent' });
  const ops = await startOpsServer({ host: '127.0.0.1', port: 0, readiness, registry: new Registry(), log });
  onTestFinished(() => ops.close());
  return { readiness, ops, place: `127.0.0.1:${ops.port}`, url: `http://127.0.0.1:${ops.port}/readyz` };
}

async function readyz(port: number, path = '/readyz'): Promise<{ status: number; body: unknown }> {
  const answer = await send(port, { method: 'GET', path });
  return { status: answer.status, body: JSON.parse(answer.body) };
}

const allOf = (port: number) => readyz(port, '/readyz?all');

test('problems of the other services are warnings of the main port, and /readyz?all counts them', async () => {
  const [batcher, uploader] = [await otherService(), await otherService()];
  const ingest = await startIngest({ others: [batcher.url, uploader.url] });
  batcher.readiness.set('starting', null);
  uploader.readiness.set('starting', null);
  uploader.readiness.set('bucket', 'access denied');
  const found = { [`${uploader.place} bucket`]: 'access denied' };
  expect(await readyz(ingest.port)).toEqual({ status: 200, body: { ready: true, problems: {}, warnings: found } });
  expect(await allOf(ingest.port)).toEqual({ status: 503, body: { ready: false, problems: found } });
  uploader.readiness.set('bucket', null);
  await expect.poll(() => allOf(ingest.port)).toEqual({ status: 200, body: { ready: true, problems: {} } });
  expect(await readyz(ingest.port)).toEqual({ status: 200, body: { ready: true, problems: {} } });
  await uploader.ops.close();
  const gone = { [uploader.place]: 'cannot be reached' };
  await expect.poll(() => allOf(ingest.port)).toEqual({ status: 503, body: { ready: false, problems: gone } });
  expect(await readyz(ingest.port)).toEqual({ status: 200, body: { ready: true, problems: {}, warnings: gone } });
});

test('a problem of ingest itself makes its main port unready, beside the warnings', async () => {
  const [batcher, parent] = [await otherService(), await otherService()];
  const ingest = await startIngest({ others: [batcher.url], sameService: [parent.url] });
  parent.readiness.set('starting', null);
  batcher.readiness.set('starting', null);
  batcher.readiness.set('room', 'the spool is full');
  parent.readiness.set('worker 2', 'no answer');
  ingest.readiness.set('redis', 'Redis does not answer');
  const problems = { redis: 'Redis does not answer', [`${parent.place} worker 2`]: 'no answer' };
  const warnings = { [`${batcher.place} room`]: 'the spool is full' };
  expect(await readyz(ingest.port)).toEqual({ status: 503, body: { ready: false, problems, warnings } });
  expect(await allOf(ingest.port)).toEqual({
    status: 503,
    body: { ready: false, problems: { ...problems, ...warnings } },
  });
});

test('a service that hangs, or answers nonsense, is a problem and not a hang', async () => {
  const hanging = createServer(() => undefined).listen(0, '127.0.0.1');
  const nonsense = createServer((_, res) => res.writeHead(500).end('{}')).listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const server of [hanging, nonsense]) {
      server.close();
      server.closeAllConnections();
    }
  });
  await expect.poll(() => hanging.listening && nonsense.listening).toBe(true);
  const places = [hanging, nonsense].map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const ingest = await startIngest({ others: places.map((place) => `http://${place}/readyz`) });
  expect(await allOf(ingest.port)).toEqual({
    status: 503,
    body: {
      ready: false,
      problems: {
        [places[0] ?? '']: 'no answer within 1000 ms',
        [places[1] ?? '']: 'not ready: status 500',
      },
    },
  });
});

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

async function readyz(port: number): Promise<{ status: number; problems: unknown }> {
  const answer = await send(port, { method: 'GET', path: '/readyz' });
  return { status: answer.status, problems: (JSON.parse(answer.body) as { problems: unknown }).problems };
}

test('the main port is ready when all services are, and names those that are not, with the reason', async () => {
  const [batcher, uploader] = [await otherService(), await otherService()];
  const ingest = await startIngest({ alsoReady: [batcher.url, uploader.url] });
  batcher.readiness.set('starting', null);
  uploader.readiness.set('starting', null);
  uploader.readiness.set('bucket', 'access denied');
  expect(await readyz(ingest.port)).toEqual({
    status: 503,
    problems: { [`${uploader.place} bucket`]: 'access denied' },
  });
  uploader.readiness.set('bucket', null);
  await expect.poll(() => readyz(ingest.port)).toEqual({ status: 200, problems: {} });
  await uploader.ops.close();
  await expect
    .poll(() => readyz(ingest.port))
    .toEqual({ status: 503, problems: { [uploader.place]: 'cannot be reached' } });
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
  const ingest = await startIngest({ alsoReady: places.map((place) => `http://${place}/readyz`) });
  expect(await readyz(ingest.port)).toEqual({
    status: 503,
    problems: {
      [places[0] ?? '']: 'no answer within 1000 ms',
      [places[1] ?? '']: 'not ready: status 500',
    },
  });
});

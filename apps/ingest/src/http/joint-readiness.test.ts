import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { loadConfig } from '@sink/config';
import { createLogger, Readiness, Registry, startOpsServer, systemClock } from '@sink/runtime';
import { temporaryDirectory } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { ProducerMetrics } from '../producers/metrics.ts';
import { openProducers } from '../producers/open-producers.ts';
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

test('the main port says no more of a warning than strangers may read; the operations port says all', async () => {
  const ingest = await startIngest({});
  const log = createLogger({ service: 'ingest', level: 'silent' });
  const { readiness } = ingest;
  const ops = await startOpsServer({ host: '127.0.0.1', port: 0, readiness, registry: new Registry(), log });
  onTestFinished(() => ops.close());
  const file = join(temporaryDirectory('producers'), 'secrets');
  writeFileSync(file, 'A\n');
  const given = [
    { name: 'hooks', hmac: { secret_file: file } },
    { name: 'knative', jwt: { issuer: 'http://127.0.0.1:1/issuer', audience: 'x' } },
  ];
  const config = loadConfig({ env: {}, overrides: { producers: given }, readText: () => 'missing' });
  const closing: (() => Promise<void>)[] = [];
  const context = {
    ...{ config, readiness, log, clock: systemClock, registry: new Registry() },
    inForce: { onChange: () => undefined } as never,
    shutdown: { add: (_: string, close: () => Promise<void>) => void closing.push(close) } as never,
  };
  openProducers(context, new ProducerMetrics(new Registry()), () => null);
  onTestFinished(async () => {
    await Promise.all(closing.map((close) => close()));
  });

  const told = async (port: number): Promise<string> => JSON.stringify(await readyz(port));
  for (const secret of ['hooks', file, 'knative', '127.0.0.1:1/issuer']) {
    await expect.poll(() => told(ops.port)).toContain(secret);
    for (const path of ['/readyz', '/readyz?all']) {
      const { status, body } = await readyz(ingest.port, path);
      expect([status, JSON.stringify(body)]).toEqual([200, expect.not.stringContaining(secret)]);
      expect(body).toHaveProperty(
        'warnings.producers',
        expect.stringMatching(/^credentials of producers have problems/),
      );
    }
  }
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

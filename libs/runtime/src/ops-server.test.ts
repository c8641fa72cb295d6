import { afterEach, expect, test } from 'vitest';
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';
import { createLogger } from './logger.ts';
import { startOpsServer } from './ops-server.ts';
import type { OpsActions, OpsPages, OpsServer } from './ops-server.ts';
import { Readiness, registerReadiness } from './health.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const opened: OpsServer[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function start(
  readiness = new Readiness(),
  registry = new Registry(),
  pages: OpsPages = new Map(),
  actions: OpsActions = new Map(),
) {
  const server = await startOpsServer({ host: '127.0.0.1', port: 0, readiness, registry, pages, actions, log });
  opened.push(server);
  return (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
}

test('it is alive from the first moment, and ready only when no problem is left', async () => {
  const readiness = new Readiness();
  const get = await start(readiness);
  expect((await get('/healthz')).status).toBe(200);

  const starting = await get('/readyz');
  expect(starting.status).toBe(503);
  expect(await starting.json()).toEqual({ ready: false, problems: { starting: 'the service is starting' } });

  readiness.set('starting', null);
  readiness.set('redis', 'redis is away');
  readiness.set('bucket', 'access denied');
  readiness.set('bucket', null);
  const away = await get('/readyz');
  expect(away.status).toBe(503);
  expect(await away.json()).toEqual({ ready: false, problems: { redis: 'redis is away' } });

  readiness.set('redis', null);
  const ready = await get('/readyz');
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({ ready: true, problems: {} });
});

test('metrics come in the Prometheus text format', async () => {
  const registry = new Registry();
  new Counter({ name: 'sink_things_total', help: 'Things.', registers: [registry] }).inc(3);
  const get = await start(new Readiness(), registry);
  const answer = await get('/metrics');
  expect(answer.headers.get('content-type')).toContain('version=0.0.4');
  expect(await answer.text()).toContain('sink_things_total 3');
});

test('whether the service is ready is a metric, and no gauge has the name of a counter', async () => {
  const [readiness, registry] = [new Readiness(), new Registry()];
  registerReadiness(registry, readiness);
  collectDefaultMetrics({ register: registry });
  const get = await start(readiness, registry);
  const metrics = async (): Promise<string> => (await get('/metrics')).text();
  expect(await metrics()).toMatch(/^sink_ready 0$/m);
  readiness.set('starting', null);
  expect(await metrics()).toMatch(/^sink_ready 1$/m);
  expect(await metrics()).toMatch(/^nodejs_active_handles_total \d+$/m);
  expect(await metrics()).not.toMatch(/_total gauge$/m);
});

test('a service has pages of its own, which may come after the start', async () => {
  const pages: OpsPages = new Map();
  const get = await start(new Readiness(), new Registry(), pages);
  expect((await get('/receipts')).status).toBe(404);
  pages.set('/receipts', async () => ({ receipts: [] }));
  const answer = await get('/receipts');
  expect(answer.headers.get('content-type')).toContain('application/json');
  expect(await answer.json()).toEqual({ receipts: [] });
  pages.set('/receipts', () => Promise.reject(new Error('redis is away')));
  expect((await get('/receipts')).status).toBe(500);
});

test('a service does what it is asked to with POST, but for no page in a browser', async () => {
  const actions: OpsActions = new Map([
    ['/flush', async (query) => ({ status: 504, body: { partition: query.get('partition') } })],
  ]);
  const ask = await start(new Readiness(), new Registry(), new Map(), actions);
  const late = await ask('/flush?partition=2026%2F11', { method: 'POST' });
  expect([late.status, await late.json()]).toEqual([504, { partition: '2026/11' }]);
  expect((await ask('/flush')).status).toBe(404);
  expect((await ask('/other', { method: 'POST' })).status).toBe(404);
  for (const headers of [{ Origin: 'http://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
    expect((await ask('/flush', { method: 'POST', headers })).status).toBe(403);
  }
});

test('anything else is 404, and closing ends kept connections', async () => {
  const get = await start();
  expect((await get('/')).status).toBe(404);
  const [server] = opened.splice(0);
  await server?.close();
  await expect(get('/healthz')).rejects.toThrow();
});

test('a taken port is an error that says which one', async () => {
  await start();
  const port = opened[0]?.port ?? 0;
  const again = startOpsServer({ host: '127.0.0.1', port, readiness: new Readiness(), registry: new Registry(), log });
  await expect(again).rejects.toThrow(`listening on 127.0.0.1:${port}: listen EADDRINUSE`);
});

/** Validation as a whole: real requests to the port, a real directory, a real registry, real threads. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { SinkConfig } from '@sink/config';
import { createLogger, Registry, systemClock } from '@sink/runtime';
import { temporaryDirectory } from '@sink/testing';
import { expect, it, onTestFinished } from 'vitest';
import { binary, RawClient, send, startIngest } from '../test/harness.ts';
import { openValidation } from './open-validation.ts';

type Keys = Pick<
  SinkConfig,
  'validate' | 'onRegistryAway' | 'schemasDirectories' | 'schemasRegistries' | 'schemasAllowHosts'
>;

const OFF: Keys = {
  validate: 'off',
  onRegistryAway: null,
  schemasDirectories: null,
  schemasRegistries: null,
  schemasAllowHosts: null,
};

async function open(keys: Partial<Keys>) {
  const registry = new Registry();
  const releases: (() => Promise<void>)[] = [];
  let changed: (config: SinkConfig) => void = () => undefined;
  const config = { ...OFF, ...keys } as unknown as SinkConfig;
  const validation = await openValidation({
    clock: systemClock,
    config,
    inForce: { onChange: (renew: typeof changed) => void (changed = renew) } as never,
    log: createLogger({ service: 'ingest', level: 'silent' }),
    registry,
    shutdown: { add: (_name: string, release: () => Promise<void>) => void releases.push(release) } as never,
  });
  onTestFinished(async () => {
    for (const release of releases) await release();
  });
  const metric = async (line: string): Promise<string | undefined> =>
    (await registry.metrics())
      .split('\n')
      .find((text) => text.startsWith(`${line} `))
      ?.slice(line.length + 1);
  return { validation, change: (more: Partial<Keys>) => changed({ ...config, ...more }), metric };
}

/** A registry that answers when the test lets it. */
async function startRegistry() {
  const world = { schema: '{"type":"object","required":["id"]}', status: 200, wait: Promise.resolve(), asked: 0 };
  const server = createServer((_req, res) => {
    world.asked += 1;
    void world.wait.then(() => {
      res.statusCode = world.status;
      res.end(world.schema);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { world, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function directory(): string {
  const path = temporaryDirectory();
  writeFileSync(
    join(path, 'order.json'),
    JSON.stringify({ $id: 'urn:order', type: 'object', required: ['id'], properties: { id: { type: 'integer' } } }),
  );
  writeFileSync(join(path, 'evil.json'), JSON.stringify({ $id: 'urn:evil', type: 'string', pattern: '^(?=a)(a+)+$' }));
  return path;
}

const EVENT = { specversion: '1.0', id: '1', source: '/s', type: 't' };

function batch(...events: readonly object[]) {
  const body = JSON.stringify(events.map((event) => ({ ...EVENT, ...event })));
  return { headers: { 'Content-Type': 'application/cloudevents-batch+json' }, body };
}

function order(data: string, dataschema = 'urn:order') {
  return { headers: binary({ 'Ce-Dataschema': dataschema, 'Content-Type': 'application/json' }), body: data };
}

it('off: whatever is sent is taken, and nothing is there that could judge it', async () => {
  const { validation, metric } = await open({ schemasDirectories: [{ path: directory() }] });
  const { port } = await startIngest({ validation });
  expect(validation.isOn).toBe(false);
  expect((await send(port, order('{}'))).status).toBe(202);
  expect(await metric('sink_ingest_validated_events_total{result="valid"}')).toBeUndefined();
});

it('known: an event that fails its schema is refused with its place, its keyword and its index; nothing is stored', async () => {
  const { validation, metric } = await open({ validate: 'known', schemasDirectories: [{ path: directory() }] });
  const ingest = await startIngest({ validation });
  const { port, appender } = ingest;
  expect(await send(port, order('{"id":1}'))).toMatchObject({ status: 202 });
  expect(await send(port, order('{"id":"x"}'))).toMatchObject({
    status: 400,
    body: 'its data at "/id" must be integer (type in "urn:order")\n',
  });
  const good = { dataschema: 'urn:order', data: { id: 1 } };
  expect(
    await send(
      port,
      batch(good, { data: 7 }, { dataschema: 'urn:order', data: {} }, { dataschema: 'urn:order', data: [] }),
    ),
  ).toMatchObject({
    status: 400,
    body: `batch element 2: its data must have required property 'id' (required in "urn:order"); and 1 more\n`,
  });
  expect(appender.lines).toHaveLength(1);
  expect(await send(port, batch(good, good))).toMatchObject({ status: 202 });
  for (const other of [order('{}', 'urn:unknown'), order(''), order('{'), { headers: binary(), body: 'x' }]) {
    expect(await send(port, other)).toMatchObject({ status: 202 });
  }
  expect(await ingest.metric('sink_ingest_requests_refused_total{reason="schema"}')).toBe(2);
  expect(await metric('sink_ingest_validated_events_total{result="invalid"}')).toBe('3');
  expect(await metric('sink_ingest_validated_events_total{result="not_found"}')).toBe('1');
  expect(await metric('sink_ingest_schema_cache_entries')).toBe('1');
});

it('strict: only an event that conforms is taken', async () => {
  const { validation } = await open({ validate: 'strict', schemasDirectories: [{ path: directory() }] });
  const { port } = await startIngest({ validation });
  expect((await send(port, order('{"id":1}'))).status).toBe(202);
  expect(await send(port, { headers: binary(), body: '' })).toMatchObject({
    status: 400,
    body: 'it has no dataschema\n',
  });
  expect(await send(port, order('{"id":1}', 'urn:unknown'))).toMatchObject({
    status: 400,
    body: expect.stringContaining('not found') as string,
  });
  expect(await send(port, order(''))).toMatchObject({ status: 400, body: expect.stringContaining('absent') as string });
  expect(await send(port, order('{'))).toMatchObject({
    status: 400,
    body: expect.stringContaining('not JSON') as string,
  });
  expect((await send(port, batch())).status).toBe(202);
});

it('a request waits for a schema that is not there yet, holds its memory, and counts the wait as held', async () => {
  const { world, url } = await startRegistry();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  world.wait = promise.then(() => undefined);
  const { validation } = await open({ validate: 'known', schemasRegistries: [{ kind: 'xregistry', url }] });
  const ingest = await startIngest({ validation });
  const uri = `${url}/schemagroups/g/schemas/s/versions/1`;
  const sent = [send(ingest.port, order('{"id":1}', uri)), send(ingest.port, order('{}', uri))];
  await expect.poll(() => world.asked).toBe(1);
  expect(await ingest.metric('sink_ingest_in_flight_bytes')).toBeGreaterThan(0);
  await systemClock.sleep(50);
  resolve(undefined);
  expect((await Promise.all(sent)).map(({ status }) => status)).toEqual([202, 400]);
  expect(ingest.appender.heldMs[0]).toBeGreaterThanOrEqual(40);
  expect(world.asked).toBe(1);
  // Now it is at hand.
  expect((await send(ingest.port, order('{}', uri))).status).toBe(400);
  expect(world.asked).toBe(1);
});

it('a registry that is away: known accepts, strict answers 503, and on_registry_away decides otherwise', async () => {
  for (const [validate, onRegistryAway, status] of [
    ['known', null, 202],
    ['known', 'refuse', 503],
    ['strict', null, 503],
    ['strict', 'accept', 202],
  ] as const) {
    const { world, url } = await startRegistry();
    world.status = 500;
    const { validation, metric } = await open({
      validate,
      onRegistryAway,
      schemasRegistries: [{ kind: 'xregistry', url }],
    });
    const ingest = await startIngest({ validation });
    const answer = await send(ingest.port, order('{}', `${url}/schemagroups/g/schemas/s`));
    expect([validate, onRegistryAway, answer.status]).toEqual([validate, onRegistryAway, status]);
    if (status === 503) {
      expect(answer.headers['retry-after']).toBeDefined();
      expect(await ingest.metric('sink_ingest_requests_refused_total{reason="schema_away"}')).toBe(1);
      expect(ingest.appender.lines).toEqual([]);
    }
    expect(await metric('sink_ingest_schema_fetches_total{result="away"}')).toBe('1');
  }
});

it('a request waits no longer than hold_max', async () => {
  const { world, url } = await startRegistry();
  world.wait = new Promise(() => undefined);
  const { validation } = await open({ validate: 'strict', schemasRegistries: [{ kind: 'xregistry', url }] });
  const { port } = await startIngest({ validation, config: { holdMaxMs: 300 } });
  expect(await send(port, order('{}', `${url}/schemagroups/g/schemas/s`))).toMatchObject({
    status: 503,
    body: expect.stringContaining('did not come in time') as string,
  });
});

it('a client that leaves while it waits for a schema gets nothing stored', async () => {
  const { world, url } = await startRegistry();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  world.wait = promise.then(() => undefined);
  const { validation } = await open({ validate: 'known', schemasRegistries: [{ kind: 'xregistry', url }] });
  const ingest = await startIngest({ validation });
  const client = new RawClient(ingest.port);
  const uri = `${url}/schemagroups/g/schemas/s`;
  client.send(
    `POST / HTTP/1.1\r\nHost: h\r\nCe-Id: 1\r\nCe-Source: /s\r\nCe-Specversion: 1.0\r\nCe-Type: t\r\nCe-Dataschema: ${uri}\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"id":1}`,
  );
  await expect.poll(() => world.asked).toBe(1);
  client.socket.resetAndDestroy();
  await client.closed;
  // The server has to notice before the schema comes.
  await systemClock.sleep(100);
  resolve(undefined);
  await expect.poll(() => ingest.metric('sink_ingest_requests_refused_total{reason="disconnected"}')).toBe(1);
  expect(ingest.appender.lines).toEqual([]);
});

it('an event whose evaluation takes too long is no reason to stop: others go on', async () => {
  const { validation, metric } = await open({ validate: 'strict', schemasDirectories: [{ path: directory() }] });
  const { port } = await startIngest({ validation });
  expect((await send(port, order('{"id":1}'))).status).toBe(202);
  const evil = send(port, order(JSON.stringify(`${'a'.repeat(40)}!`), 'urn:evil'));
  const before = performance.now();
  expect((await send(port, order('{"id":1}'))).status).toBe(202);
  expect(performance.now() - before).toBeLessThan(2_000);
  // A machine that is very busy may say 503: it cannot tell then whose fault it is.
  expect([400, 503]).toContain((await evil).status);
  expect((await send(port, order('"aa"', 'urn:evil'))).status).toBe(202);
  expect(Number(await metric('sink_ingest_schema_jobs_total{work="evaluate",outcome="done"}'))).toBe(1);
});

it('with a quarantine, events that fail their schema are kept as evidence, and the others go their way', async () => {
  const { validation } = await open({ validate: 'known', schemasDirectories: [{ path: directory() }] });
  const ingest = await startIngest({ validation, config: { onInvalid: 'quarantine' } });
  const message = batch(
    { dataschema: 'urn:order', data: { id: 1 } },
    { dataschema: 'urn:order', data: { id: 'x' } },
    { dataschema: 'urn:order', data: { id: 2 } },
  );
  expect((await send(ingest.port, message)).status).toBe(202);
  const [plain, kept] = ingest.appender.parts[0] ?? [];
  expect(plain?.lines.map((line) => (JSON.parse(line) as { data: unknown }).data)).toEqual([{ id: 1 }, { id: 2 }]);
  expect(kept?.route).toBe('_quarantine');
  expect(kept?.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { index: 1, why: 'its data at "/id" must be integer (type in "urn:order")' },
  ]);
  expect(await ingest.metric('sink_ingest_events_quarantined_total{reason="schema"}')).toBe(1);
});

it('the configuration changes it while it runs', async () => {
  const { validation, change } = await open({});
  const { port } = await startIngest({ validation });
  expect((await send(port, order('{}'))).status).toBe(202);
  const schemasDirectories = [{ path: directory(), uri: 'https://schemas.example' }];
  change({ validate: 'known', schemasDirectories });
  expect((await send(port, order('{}'))).status).toBe(400);
  expect((await send(port, order('{}', 'https://schemas.example/order.json'))).status).toBe(400);
  expect((await send(port, order('{}', 'urn:other'))).status).toBe(202);
  change({ validate: 'strict', schemasDirectories });
  expect((await send(port, order('{}', 'urn:other'))).status).toBe(400);
  change({ validate: 'off' });
  expect((await send(port, order('{}'))).status).toBe(202);
  expect(validation.isOn).toBe(false);
});

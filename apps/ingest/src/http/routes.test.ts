import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { binary, send, startIngest } from '../test/harness.ts';
import type { Message } from '../test/harness.ts';

const STRUCTURED = { 'Content-Type': 'application/cloudevents+json' };
const BATCHED = { 'Content-Type': 'application/cloudevents-batch+json; charset=utf-8' };
const EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}';
const JSON_DATA = { 'Content-Type': 'application/json' };

interface Row extends Message {
  what: string;
  status: number;
  /** A pattern of the answer's line. */
  says?: RegExp;
  stored?: string[];
}

// What is stored for each message, in detail: the tests of libs/cloudevents.
const TABLE: Row[] = [
  { what: 'binary mode', status: 202, headers: binary(JSON_DATA), body: '{"a":1.10}', stored: ['"data":{"a":1.10}'] },
  { what: 'binary mode without data', status: 202, headers: binary(), stored: ['"id":"1"'] },
  { what: 'any path and query', status: 202, path: '/a/b?c=%zz', headers: binary(), stored: ['"id":"1"'] },
  { what: 'POST on a health path', status: 202, path: '/healthz', headers: binary(), stored: ['"id":"1"'] },
  { what: 'structured mode', status: 202, headers: STRUCTURED, body: EVENT, stored: [EVENT] },
  { what: 'PUT', status: 202, method: 'PUT', headers: STRUCTURED, body: EVENT, stored: [EVENT] },
  { what: 'PUT of an invalid event', status: 400, method: 'PUT', headers: STRUCTURED, body: '{"id":"1"}' },
  {
    what: 'PUT with an absolute target',
    status: 202,
    method: 'PUT',
    path: 'http://h/events',
    headers: STRUCTURED,
    body: EVENT,
    stored: [EVENT],
  },
  { what: 'batched mode', status: 202, headers: BATCHED, body: `[${EVENT}, ${EVENT}]`, stored: [EVENT, EVENT] },
  { what: 'an empty batch', status: 202, headers: BATCHED, body: '[]', stored: [] },
  {
    what: 'a gzip body',
    status: 202,
    headers: { ...STRUCTURED, 'Content-Encoding': 'gzip' },
    body: gzipSync(EVENT),
    stored: [EVENT],
  },
  {
    what: 'a gzip body of several members',
    status: 202,
    headers: { ...BATCHED, 'Content-Encoding': 'x-gzip, identity' },
    body: Buffer.concat([gzipSync(`[${EVENT},${' '.repeat(3000)}`), gzipSync(`${EVENT}]`)]),
    stored: [EVENT, EVENT],
  },
  {
    what: 'an identity body',
    status: 202,
    headers: { ...STRUCTURED, 'Content-Encoding': 'identity' },
    body: EVENT,
    stored: [EVENT],
  },
  { what: 'a missing attribute', status: 400, headers: { 'Ce-Id': '1' }, says: /source|specversion|type/ },
  { what: 'no CloudEvent at all', status: 400, headers: JSON_DATA, body: '{}', says: /^[^\n]+\n$/ },
  {
    what: 'broken JSON data',
    status: 202,
    headers: binary(JSON_DATA),
    body: '{"a":',
    stored: ['"datacontenttype":"application/json","data_base64":"eyJhIjo="'],
  },
  { what: 'an attribute given twice', status: 400, headers: binary({ 'Ce-X': ['1', '2'] }), says: /x/i },
  { what: 'an invalid structured event', status: 400, headers: STRUCTURED, body: '{"id":"1"}' },
  { what: 'one bad element in a batch', status: 400, headers: BATCHED, body: `[${EVENT},{}]`, says: /element 1/ },
  { what: 'invalid UTF-8 in JSON', status: 400, headers: STRUCTURED, body: Buffer.from(`${EVENT}\xff`, 'latin1') },
  {
    what: 'a truncated gzip body',
    status: 400,
    headers: { ...STRUCTURED, 'Content-Encoding': 'gzip' },
    body: gzipSync(EVENT).subarray(0, -9),
    says: /gzip: unexpected end of file/,
  },
  {
    what: 'a damaged gzip body',
    status: 400,
    headers: { ...STRUCTURED, 'Content-Encoding': 'gzip' },
    body: Buffer.concat([gzipSync(EVENT).subarray(0, -8), Buffer.alloc(8)]),
    says: /gzip: incorrect data check/,
  },
  {
    what: 'a body that is no gzip',
    status: 400,
    headers: { ...STRUCTURED, 'Content-Encoding': 'gzip' },
    body: EVENT,
    says: /gzip: incorrect header check/,
  },
  { what: 'gzip of nothing', status: 400, headers: { ...STRUCTURED, 'Content-Encoding': 'gzip' }, says: /gzip/ },
  { what: 'an unknown event format', status: 415, headers: { 'Content-Type': 'application/cloudevents+avro' } },
  {
    what: 'a charset other than UTF-8',
    status: 415,
    headers: { 'Content-Type': 'application/cloudevents+json; charset=utf-16' },
  },
  {
    what: 'an unknown encoding',
    status: 415,
    headers: binary({ 'Content-Encoding': 'compress' }),
    body: 'x',
    says: /"compress".* gzip, deflate, br, zstd/,
  },
  { what: 'two encodings', status: 415, headers: binary({ 'Content-Encoding': 'gzip, gzip' }), body: 'x' },
  { what: 'PATCH', status: 405, method: 'PATCH', headers: binary(), says: /POST or PUT, not PATCH/ },
  { what: 'GET', status: 405, method: 'GET' },
  { what: 'HEAD', status: 405, method: 'HEAD' },
  { what: 'DELETE on a health path', status: 405, method: 'DELETE', path: '/readyz' },
  { what: 'an unknown method', status: 405, method: 'PROPFIND' },
];

for (const { what, status, says, stored = [], ...message } of TABLE) {
  test(`${what} is answered with ${status}`, async () => {
    const { port, appender, metric } = await startIngest();
    const answer = await send(port, message);
    expect(answer).toMatchObject({ status });
    if (status === 202) expect(answer).toMatchObject({ body: '', headers: { 'content-length': '0' } });
    else if (message.method !== 'HEAD') {
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(answer.body).toMatch(/^[^\n]{5,400}\n$/);
    }
    if (says !== undefined) expect(answer.body).toMatch(says);
    if (status === 405) expect(answer.headers['allow']).toBe('POST, PUT, OPTIONS');
    expect(appender.lines).toHaveLength(stored.length);
    for (const [index, part] of stored.entries()) expect(appender.lines[index]).toContain(part);
    expect(await metric(`sink_ingest_requests_total{status="${status}"}`)).toBe(1);
    expect(await metric('sink_ingest_events_accepted_total')).toBe(stored.length);
  });
}

for (const outcome of ['backlog_full', 'redis_away', 'in_doubt', 'stopping'] as const) {
  test(`events that cannot be stored (${outcome}) get a 503 with Retry-After, never a 4xx`, async () => {
    const { port, appender, metric } = await startIngest();
    appender.outcome = outcome;
    const answer = await send(port, { headers: binary() });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.body).toMatch(/^[^\n]+\n$/);
    expect(await metric(`sink_ingest_requests_refused_total{reason="${outcome}"}`)).toBe(1);
    expect(await metric('sink_ingest_events_accepted_total')).toBe(0);
    expect(await metric('sink_ingest_ack_seconds_count')).toBe(0);
  });
}

test('a 2xx goes out only after the events are stored', async () => {
  const { port, appender } = await startIngest();
  appender.hold();
  let answered = false;
  const sending = send(port, { headers: binary() }).then((answer) => {
    answered = true;
    return answer;
  });
  await expect.poll(() => appender.held?.length).toBe(1);
  expect(answered).toBe(false);
  appender.letGo();
  expect((await sending).status).toBe(202);
});

test('all header fields of a request count, also beyond the two thousand that Node keeps by default', async () => {
  const { port, appender } = await startIngest();
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`Ce-X${index}`, 'v']));
  expect((await send(port, { headers: binary(many) })).status).toBe(202);
  expect(appender.lines[0]).toContain('"x2999":"v"');
});

test('data that is no JSON is counted when it is stored, or refused if so configured', async () => {
  const { port, appender, metric } = await startIngest();
  appender.outcome = 'backlog_full';
  const broken = { headers: binary(JSON_DATA), body: 'plain' };
  expect((await send(port, broken)).status).toBe(503);
  expect(await metric('sink_ingest_events_opaque_total')).toBe(0);
  appender.outcome = 'stored';
  expect((await send(port, broken)).status).toBe(202);
  expect((await send(port, { headers: binary(JSON_DATA), body: '{}' })).status).toBe(202);
  expect(await metric('sink_ingest_events_opaque_total')).toBe(1);

  const strict = await startIngest({ config: { malformedJson: 'refuse' } });
  expect(await send(strict.port, broken)).toMatchObject({ status: 400, body: expect.stringMatching(/JSON/) as string });
  expect(await strict.metric('sink_ingest_events_opaque_total')).toBe(0);
});

test.each([
  ['auto', '/s/a%2Fb'],
  ['raw', '/s/a%2Fb'],
  ['percent', '/s/a/b'],
] as const)('with attribute_encoding %s the source /s/a%%2Fb is stored as %s', async (attributeEncoding, source) => {
  const { port, appender } = await startIngest({ config: { attributeEncoding } });
  expect((await send(port, { headers: binary({ 'Ce-Source': '/s/a%2Fb' }) })).status).toBe(202);
  expect(appender.lines).toEqual([expect.stringContaining(`"source":"${source}"`)]);
});

test('the webhook handshake allows any origin at any rate', async () => {
  const { port } = await startIngest();
  const answer = await send(port, {
    method: 'OPTIONS',
    path: '/hook',
    headers: { 'WebHook-Request-Origin': 'eventemitter.example.com', 'WebHook-Request-Rate': '120' },
  });
  expect(answer).toMatchObject({
    status: 200,
    body: '',
    headers: { 'webhook-allowed-origin': 'eventemitter.example.com', 'webhook-allowed-rate': '*', allow: 'POST' },
  });
  for (const path of ['/', '*']) {
    const plain = await send(port, { method: 'OPTIONS', path });
    expect(plain).toMatchObject({ status: 200, body: '', headers: { allow: 'POST, PUT, OPTIONS' } });
  }
});

test('health is answered on the main port too', async () => {
  const { port, readiness } = await startIngest();
  expect(await send(port, { method: 'GET', path: '/healthz' })).toMatchObject({ status: 200 });
  expect(await send(port, { method: 'GET', path: '/readyz' })).toMatchObject({ status: 200 });
  readiness.set('redis', 'redis is away');
  const answer = await send(port, { method: 'GET', path: '/readyz' });
  expect(answer.status).toBe(503);
  expect(JSON.parse(answer.body)).toEqual({ ready: false, problems: { redis: 'redis is away' } });
});

test('a Host header that is no host, or a target that is no path, is 400 and not a crash', async () => {
  const { port, metric } = await startIngest();
  expect((await send(port, { headers: binary({ Host: 'a b/c' }) })).status).toBe(400);
  for (const method of ['GET', 'POST', 'PUT']) {
    expect((await send(port, { path: '*', method, headers: binary() })).status).toBe(400);
  }
  expect(await metric('sink_ingest_requests_total{status="400"}')).toBe(4);
  expect((await send(port, { headers: binary() })).status).toBe(202);
});

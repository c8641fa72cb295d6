import { bearerAuth } from 'hono/bearer-auth';
import { expect, test } from 'vitest';
import { binary, RAW_BINARY, RawClient, send, startIngest } from '../test/harness.ts';
import type { IngestMiddleware } from './routes.ts';

const POST = `POST /events HTTP/1.1\r\n${RAW_BINARY}`;
const SECRET = { Authorization: 'Bearer secret' };

/** A middleware that authenticates: it reads one header field, and answers by itself or goes on to the route. */
const authenticate: IngestMiddleware = async (c, next) => {
  if (c.req.header('Authorization') !== 'Bearer secret') {
    return c.text('a token is required\n', 401, { 'WWW-Authenticate': 'Bearer' });
  }
  return next();
};

test('a middleware answers 401 from the header fields, before a byte of the body is read', async () => {
  const ingest = await startIngest({ middleware: [authenticate] });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 100000\r\n\r\n`);
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 401 [^]*www-authenticate: Bearer\r\n[^]*a token is required\n$/i);
  expect(ingest.appender.lines).toEqual([]);
  expect(await ingest.metric('sink_ingest_requests_total{status="401"}')).toBe(1);
});

test('a client that asks first gets 401 instead of 100 Continue', async () => {
  const ingest = await startIngest({ middleware: [authenticate] });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 401 /);
});

test('a client that goes on sending a large body reads its 401', async () => {
  const ingest = await startIngest({ middleware: [authenticate] });
  const answer = await send(ingest.port, { headers: binary(), body: Buffer.alloc(8 * 1024 * 1024) });
  expect(answer).toMatchObject({ status: 401, body: 'a token is required\n', headers: { connection: 'close' } });
});

test('with the right header field the event is stored, and answered by its route alone', async () => {
  const ingest = await startIngest({ middleware: [authenticate] });
  expect(await send(ingest.port, { headers: binary(SECRET), body: 'x' })).toMatchObject({ status: 202, body: '' });
  expect(ingest.appender.lines).toHaveLength(1);
});

test('a refused event keeps its connection', async () => {
  const ingest = await startIngest({ middleware: [authenticate] });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 2\r\n\r\nxx`);
  await client.until(/ 401 [^]*required\n$/);
  client.send(`${POST}Authorization: Bearer secret\r\nContent-Length: 2\r\n\r\nxx`);
  await client.until(/ 202 /);
});

test('middleware runs in its order, around the route, for every method', async () => {
  const order: string[] = [];
  const named = (name: string): IngestMiddleware => {
    return async (c, next) => {
      order.push(`${name} ${c.req.method} ${c.req.path}`);
      await next();
      order.push(`${name} after`);
    };
  };
  const ingest = await startIngest({ middleware: [named('first'), named('second')] });
  expect((await send(ingest.port, { path: '/a', headers: binary() })).status).toBe(202);
  expect(order).toEqual(['first POST /a', 'second POST /a', 'second after', 'first after']);
  order.length = 0;
  for (const [method, status] of [
    ['OPTIONS', 200],
    ['GET', 200],
    ['PATCH', 405],
    ['PUT', 400],
  ] as const) {
    expect((await send(ingest.port, { method, path: '/healthz' })).status).toBe(status);
    expect(order.splice(0)).toHaveLength(4);
  }
});

test("Hono's own middleware works: its answer is an exception, and it copies the response to add header fields", async () => {
  const addsField: IngestMiddleware = async (c, next) => {
    await next();
    c.header('X-Seen', [...c.req.raw.headers.keys()].join(' '));
  };
  const ingest = await startIngest({ middleware: [addsField, bearerAuth({ token: 'secret' })] });
  const refused = await send(ingest.port, { headers: binary() });
  expect(refused).toMatchObject({ status: 401, headers: { 'x-seen': expect.stringContaining('ce-id') as string } });
  expect((await send(ingest.port, { headers: binary(SECRET) })).status).toBe(202);
  expect(ingest.appender.lines).toHaveLength(1);
});

test('a middleware cannot read the body past the limits: that is an error', async () => {
  const readsBody: IngestMiddleware = async (c, next) => {
    await c.req.text();
    await next();
  };
  const ingest = await startIngest({ middleware: [readsBody] });
  expect((await send(ingest.port, { headers: binary(), body: 'x' })).status).toBe(500);
  expect(ingest.appender.lines).toEqual([]);
});

test('a client that leaves while a middleware waits is forgotten', async () => {
  let arrived = false;
  const waitsForTheEnd: IngestMiddleware = async (c, next) => {
    arrived = true;
    await new Promise((resolve) => c.env.incoming.once('close', resolve));
    await next();
  };
  const ingest = await startIngest({ middleware: [waitsForTheEnd] });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 2\r\n\r\n`);
  await expect.poll(() => arrived).toBe(true);
  client.socket.destroy();
  await expect.poll(() => ingest.metric('sink_ingest_requests_refused_total{reason="disconnected"}')).toBe(1);
});

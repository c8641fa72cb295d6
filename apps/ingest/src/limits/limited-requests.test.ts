import { describe, expect, test } from 'vitest';
import { binary, RAW_BINARY, RawClient, send, startIngest } from '../test/harness.ts';
import { producersOf } from '../test/producers-world.ts';
import { RateLimits } from './rate-limits.ts';

const AUTHORIZATION = { Authorization: 'Bearer token-a' };
const OTHER = { Authorization: 'Bearer token-b' };
const REFUSED = 'sink_ingest_producer_requests_refused_total';
const MIB = 1024 * 1024;

function bearer(name: string, limits: object = {}): object {
  return { name, bearer: { tokens: [`token-${name}`] }, limits };
}

async function start(limits: object, config: object = {}, more: object = {}) {
  const clock = { aheadMs: 0 };
  const limiter = new RateLimits({ nowMs: () => performance.now() + clock.aheadMs, random: () => 0 });
  const ingest = await startIngest({
    producers: producersOf([{ ...bearer('a', limits), ...more }, bearer('b')]),
    limiter,
    config,
  });
  /** This process has the whole limit. */
  const exchange = (): void => limiter.divide(new Map([['own', limiter.endPeriod()]]), 'own', 0);
  return { ...ingest, clock, limiter, exchange };
}

/** The head of a request whose body does not come. */
function headOnly(port: number, token: string, bytes = 100): RawClient {
  const client = new RawClient(port);
  client.send(`POST / HTTP/1.1\r\n${RAW_BINARY}Authorization: Bearer ${token}\r\nContent-Length: ${bytes}\r\n\r\n`);
  return client;
}

describe('requests in flight', () => {
  test('are refused above the limit without their body, others are not, and strangers get 401', async () => {
    const ingest = await start({ requests_in_flight: 1 });
    ingest.appender.hold();
    const held = send(ingest.port, { headers: binary(AUTHORIZATION) });
    await expect.poll(() => ingest.appender.lines.length).toBe(1);
    const answer = await headOnly(ingest.port, 'token-a').until(/reached[^\n]*\n/);
    expect(answer).toMatch(/^HTTP\/1\.1 429 /);
    expect(answer).toMatch(/\r\nRetry-After: 1\r\n/);
    expect(answer).toContain('the limit of producer a is reached (requests_in_flight: 1)');
    expect(await headOnly(ingest.port, 'wrong').until(/\n/)).toMatch(/^HTTP\/1\.1 401 /);
    const other = send(ingest.port, { headers: binary(OTHER) });
    await expect.poll(() => ingest.appender.lines.length).toBe(2);
    ingest.appender.letGo();
    expect((await held).status).toBe(202);
    expect((await other).status).toBe(202);
    expect((await send(ingest.port, { headers: binary(AUTHORIZATION) })).status).toBe(202);
    expect(await ingest.metric(`${REFUSED}{producer="a",reason="requests_in_flight"}`)).toBe(1);
  });

  test('end with their request, however it ends', async () => {
    const { port, metric } = await start({ requests_in_flight: 1 });
    const wrong = { ...AUTHORIZATION, 'Content-Type': 'application/cloudevents+json' };
    expect((await send(port, { headers: wrong, body: '{' })).status).toBe(400);
    expect((await send(port, { headers: { ...wrong, 'Content-Encoding': 'x' } })).status).toBe(415);
    const gone = headOnly(port, 'token-a');
    await expect.poll(() => metric('sink_ingest_in_flight_bytes')).toBeGreaterThan(0);
    gone.socket.destroy();
    await expect.poll(() => metric('sink_ingest_requests_refused_total{reason="disconnected"}')).toBe(1);
    expect((await send(port, { headers: binary(AUTHORIZATION) })).status).toBe(202);
  });
});

describe('events and bytes a second', () => {
  test('a batch larger than the limit is stored, and then nothing until its debt is paid', async () => {
    const { port, clock, exchange, metric } = await start({ events_per_second: 10 });
    const batch = JSON.stringify(
      Array.from({ length: 300 }, (_, id) => ({ specversion: '1.0', id: String(id), source: '/s', type: 't' })),
    );
    const headers = { ...AUTHORIZATION, 'Content-Type': 'application/cloudevents-batch+json' };
    expect((await send(port, { headers, body: batch })).status).toBe(202);
    exchange();
    const refused = await send(port, { headers: binary(AUTHORIZATION) });
    expect(refused.status).toBe(429);
    const seconds = Number(refused.headers['retry-after']);
    expect(seconds).toBeGreaterThan(25);
    expect(seconds).toBeLessThanOrEqual(30);
    expect(await headOnly(port, 'token-a', 1_000_000).until(/\n/), 'no body is read').toMatch(/^HTTP\/1\.1 429 /);
    expect((await send(port, { headers: binary(OTHER) })).status).toBe(202);
    clock.aheadMs += seconds * 1_000;
    expect((await send(port, { headers: binary(AUTHORIZATION) })).status).toBe(202);
    expect(await metric(`${REFUSED}{producer="a",reason="events_per_second"}`)).toBe(2);
  });

  test('bytes count as they were received', async () => {
    const { port, exchange } = await start({ bytes_per_second: '10KB' });
    const headers = binary({ ...AUTHORIZATION, 'Content-Type': 'text/plain' });
    expect((await send(port, { headers, body: 'x'.repeat(60_000) })).status).toBe(202);
    exchange();
    const refused = await send(port, { headers, body: 'x' });
    expect(refused).toMatchObject({ status: 429, body: expect.stringContaining('bytes_per_second: 10000') as string });
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(6);
  });

  test.each([
    ['what is no event', 400, 'application/cloudevents+json', '{'.repeat(60_000)],
    ['a type that it may not send', 403, 'text/plain', 'x'.repeat(60_000)],
    ['a damaged body', 400, 'gzip', 'x'.repeat(60_000)],
  ])('count for %s too', async (_what, status, type, body) => {
    const limits = { bytes_per_second: '10KB' };
    const { port, exchange } = await start(limits, {}, { only: { types: ['other'] } });
    const headers = type.startsWith('application')
      ? { ...AUTHORIZATION, 'Content-Type': type }
      : binary({
          ...AUTHORIZATION,
          'Content-Type': 'text/plain',
          ...(type === 'gzip' && { 'Content-Encoding': type }),
        });
    expect((await send(port, { headers, body })).status).toBe(status);
    exchange();
    expect(await send(port, { headers, body })).toMatchObject({
      status: 429,
      body: expect.stringContaining('bytes_per_second: 10000') as string,
    });
  });

  test('above a limit, what would be refused for itself is a 429 too', async () => {
    const { port, exchange, metric } = await start({ bytes_per_second: '10KB' }, {}, { only: { types: ['other'] } });
    const late = headOnly(port, 'token-a');
    await expect.poll(() => metric('sink_ingest_in_flight_bytes')).toBeGreaterThan(0);
    const headers = { ...AUTHORIZATION, 'Content-Type': 'application/cloudevents+json' };
    expect((await send(port, { headers, body: '{'.repeat(60_000) })).status).toBe(400);
    exchange();
    late.send('x'.repeat(100));
    expect(await late.until(/\n/)).toMatch(/^HTTP\/1\.1 429 /);
  });

  test('a client that ignores its refusals has to wait for them', async () => {
    const { port, exchange, metric } = await start({ events_per_second: 1 });
    await send(port, {
      headers: { ...AUTHORIZATION, 'Content-Type': 'application/cloudevents-batch+json' },
      body: '[]',
    });
    for (let sent = 0; sent < 3; sent++) await send(port, { headers: binary(AUTHORIZATION) });
    exchange();
    const sinceMs = performance.now();
    const client = async (): Promise<void> => {
      while (performance.now() - sinceMs < 1_000) await send(port, { headers: binary(AUTHORIZATION) });
    };
    await Promise.all(Array.from({ length: 20 }, client));
    const refused = await metric(`${REFUSED}{producer="a",reason="events_per_second"}`);
    expect(refused).toBeGreaterThan(50);
    expect(refused).toBeLessThan(300);
  });
});

test('the bodies of one producer leave room for those of others', async () => {
  const { port, metric } = await start({}, { maxInFlightBytes: 6 * MIB });
  const slow = Array.from({ length: 4 }, () => headOnly(port, 'token-a', MIB));
  await expect.poll(() => metric(`${REFUSED}{producer="a",reason="producer_in_flight_bytes"}`)).toBe(2);
  const [headers, body] = [binary({ ...OTHER, 'Content-Type': 'text/plain' }), 'x'.repeat(MIB)];
  expect((await send(port, { headers, body })).status).toBe(202);
  for (const { socket } of slow) socket.destroy();
  await expect.poll(async () => (await send(port, { headers: binary(AUTHORIZATION) })).status).toBe(202);
});

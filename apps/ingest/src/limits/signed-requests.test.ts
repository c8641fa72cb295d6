import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Answer, binary, type Ingest, RawClient, send, startIngest } from '../test/harness.ts';
import { producersOf } from '../test/producers-world.ts';
import { RateLimits } from './rate-limits.ts';

const MIB = 1024 * 1024;
const REFUSED = 'sink_ingest_producer_requests_refused_total';
const WRONG = `sha256=${'0'.repeat(64)}`;

function signer(name: string, limits: object = {}): object {
  return { name, hmac: { secret: `secret-${name}`, scheme: 'github' }, limits };
}

function event(dataBytes = 1): string {
  return JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', data: 'x'.repeat(dataBytes) });
}

function sendSigned(port: number, producer: string, body = event()): Promise<Answer> {
  const hex = createHmac('sha256', `secret-${producer}`).update(body).digest('hex');
  const headers = { 'Content-Type': 'application/cloudevents+json', 'X-Hub-Signature-256': `sha256=${hex}` };
  return send(port, { headers, body });
}

/** The head of a request of a stranger, whose body does not come. */
function strangerAt(port: number, bytes = 100): RawClient {
  const client = new RawClient(port);
  const fields = `Content-Type: application/cloudevents+json\r\nX-Hub-Signature-256: ${WRONG}\r\n`;
  client.send(`POST / HTTP/1.1\r\nHost: h\r\n${fields}Content-Length: ${bytes}\r\n\r\n`);
  return client;
}

async function start(producers: object[], config: object = {}): Promise<Ingest & { limiter: RateLimits }> {
  const limiter = new RateLimits({ nowMs: () => performance.now(), random: () => 0 });
  return { ...(await startIngest({ producers: producersOf(producers), limiter, config })), limiter };
}

test('a producer at its limit is refused after its signature is known, and another one that signs is not', async () => {
  const { port, appender, metric } = await start([signer('a', { requests_in_flight: 1 }), signer('b')]);
  appender.hold();
  const held = [sendSigned(port, 'a')];
  await expect.poll(() => appender.lines.length).toBe(1);
  held.push(sendSigned(port, 'b'));
  await expect.poll(() => appender.lines.length).toBe(2);
  expect(await sendSigned(port, 'a')).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
  expect(await metric(`${REFUSED}{producer="a",reason="requests_in_flight"}`)).toBe(1);
  appender.letGo();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([202, 202]);
  expect((await sendSigned(port, 'a')).status).toBe(202);
});

test('a request that carries a signature and a token counts for the producer that it turns out to be of', async () => {
  const script = { name: 'script', bearer: { tokens: ['token'] }, limits: { requests_in_flight: 1 } };
  const { port, appender } = await start([signer('a', { requests_in_flight: 1 }), script]);
  const headers = {
    'Content-Type': 'application/cloudevents+json',
    'X-Hub-Signature-256': WRONG,
    Authorization: 'Bearer token',
  };
  appender.hold();
  const held = [send(port, { headers, body: event() })];
  await expect.poll(() => appender.lines.length).toBe(1);
  const refused = await send(port, { headers, body: event() });
  expect([refused.status, refused.body]).toEqual([429, expect.stringContaining('producer script')]);
  held.push(sendSigned(port, 'a'));
  await expect.poll(() => appender.lines.length).toBe(2);
  appender.letGo();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([202, 202]);
});

test('a stranger with a wrong signature takes no request in flight of a producer, and is not counted as one', async () => {
  const { port, metric } = await start([signer('a', { requests_in_flight: 1 })]);
  const strangers = [strangerAt(port), strangerAt(port)];
  await expect.poll(() => metric('sink_ingest_in_flight_bytes')).toBeGreaterThan(400);
  expect((await sendSigned(port, 'a')).status).toBe(202);
  strangers[0]?.send('x'.repeat(100));
  expect(await strangers[0]?.until(/\n\r\n[^\n]*\n/)).toMatch(/^HTTP\/1\.1 401 /);
  strangers[1]?.socket.destroy();
  await expect.poll(() => metric(`${REFUSED}{producer="_unknown",reason="disconnected"}`)).toBe(1);
  expect(await metric(`${REFUSED}{producer="_unknown",reason="signature"}`)).toBe(1);
});

test('if all that may have signed are at a limit, the body is not read', async () => {
  const { port, limiter, metric } = await start([
    signer('a', { events_per_second: 1 }),
    signer('b', { events_per_second: 1 }),
  ]);
  const batch = async (name: string): Promise<void> => {
    const body = `[${Array.from({ length: 20 }, () => event()).join(',')}]`;
    const hex = createHmac('sha256', `secret-${name}`).update(body).digest('hex');
    const headers = { 'Content-Type': 'application/cloudevents-batch+json', 'X-Hub-Signature-256': `sha256=${hex}` };
    expect((await send(port, { headers, body })).status).toBe(202);
    limiter.divide(new Map([['own', limiter.endPeriod()]]), 'own', 0);
  };
  await batch('a');
  expect((await sendSigned(port, 'a')).status).toBe(429);
  await batch('b');
  expect(await strangerAt(port).until(/\n/)).toMatch(/^HTTP\/1\.1 429 /);
  expect(await metric(`${REFUSED}{producer="_unknown",reason="events_per_second"}`)).toBe(1);
});

test('bodies with unknown signatures leave room for those of producers', async () => {
  const bearer = { name: 'b', bearer: { tokens: ['token'] } };
  const { port, metric } = await start([signer('a'), bearer], { maxInFlightBytes: 6 * MIB });
  const slow = Array.from({ length: 4 }, () => strangerAt(port, MIB));
  await expect.poll(() => metric(`${REFUSED}{producer="_unknown",reason="producer_in_flight_bytes"}`)).toBe(2);
  const headers = binary({ Authorization: 'Bearer token', 'Content-Type': 'text/plain' });
  expect((await send(port, { headers, body: 'x'.repeat(MIB) })).status).toBe(202);
  for (const { socket } of slow) socket.destroy();
  await expect.poll(async () => (await sendSigned(port, 'a')).status).toBe(202);
});

test('a body counts for its producer when its signature is known', async () => {
  const { port, appender, metric } = await start([signer('a'), signer('b')], { maxInFlightBytes: 6 * MIB });
  appender.hold();
  const held = [sendSigned(port, 'a', event(MIB))];
  await expect.poll(() => appender.lines.length).toBe(1);
  held.push(sendSigned(port, 'a', event(MIB / 2)));
  await expect.poll(() => appender.lines.length).toBe(2);
  expect((await sendSigned(port, 'a', event(MIB))).status).toBe(429);
  expect(await metric(`${REFUSED}{producer="a",reason="producer_in_flight_bytes"}`)).toBe(1);
  held.push(sendSigned(port, 'b', event(MIB)));
  await expect.poll(() => appender.lines.length).toBe(3);
  appender.letGo();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([202, 202, 202]);
});

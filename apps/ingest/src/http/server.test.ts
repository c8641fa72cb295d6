import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { openFilesMax } from './acceptors.ts';
import { binary, RAW_BINARY, RawClient, send, startIngest } from '../test/harness.ts';
import type { Answer, Ingest } from '../test/harness.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const POST = `POST / HTTP/1.1\r\n${RAW_BINARY}`;
const inFlight = ({ metric }: Ingest) => metric('sink_ingest_in_flight_bytes');
const refused = ({ metric }: Ingest, reason: string) =>
  metric(`sink_ingest_requests_refused_total{reason="${reason}"}`);
const waiting = ({ metric }: Ingest) => metric('sink_ingest_waiting_requests');

test('a body that is announced too large gets its 413 before a byte of it is sent', async () => {
  const ingest = await startIngest({ config: { maxBodyBytes: 1000 } });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 1001\r\n\r\n`);
  const answer = await client.until(/bytes\n/);
  expect(answer).toMatch(/^HTTP\/1\.1 413 [^]*the body is larger than 1000 bytes\n$/);
  expect(await inFlight(ingest)).toBe(0);
});

test('a client that sends all of a large body can still read its 413', async () => {
  const ingest = await startIngest({ config: { maxBodyBytes: 100 * KIB } });
  for (const headers of [binary({ 'Content-Length': 8 * MIB }), binary({ 'Transfer-Encoding': 'chunked' })]) {
    const answer = await send(ingest.port, { headers, body: Buffer.alloc(8 * MIB) });
    expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' } });
  }
  expect(await refused(ingest, 'body_too_large')).toBe(2);
});

test('a body of the largest size is taken, one byte more is not, sent in one piece or in chunks', async () => {
  const ingest = await startIngest({ config: { maxBodyBytes: 200 * KIB } });
  for (const more of [{}, { 'Transfer-Encoding': 'chunked' }]) {
    expect(await send(ingest.port, { headers: binary(more), body: Buffer.alloc(200 * KIB) })).toMatchObject({
      status: 202,
    });
    expect(await send(ingest.port, { headers: binary(more), body: Buffer.alloc(200 * KIB + 1) })).toMatchObject({
      status: 413,
    });
  }
});

test('a body that inflates beyond the limit is 413, and never takes more memory than the limit', async () => {
  const ingest = await startIngest({ config: { maxBodyBytes: MIB } });
  const honest = gzipSync(Buffer.alloc(64 * MIB));
  // Several members: the length at the end is that of the last one only.
  const lying = Buffer.concat([honest, gzipSync('x')]);
  for (const body of [honest, lying]) {
    const answer = await send(ingest.port, { headers: binary({ 'Content-Encoding': 'gzip' }), body });
    expect(answer).toMatchObject({ status: 413 });
  }
});

test('a large compressed body arrives whole', async () => {
  const ingest = await startIngest();
  const data = randomBytes(3 * MIB).toString('hex');
  const headers = binary({ 'Content-Encoding': 'gzip', 'Content-Type': 'text/plain' });
  expect(await send(ingest.port, { headers, body: gzipSync(data) })).toMatchObject({ status: 202 });
  expect(ingest.appender.lines[0]).toContain(data);
});

test('header fields up to the limit are taken, larger ones get 431 and one line, even while more is sent', async () => {
  const ingest = await startIngest();
  const client = new RawClient(ingest.port);
  client.send(`${POST}Ce-Large: ${'x'.repeat(60 * KIB)}\r\nContent-Length: 0\r\n\r\n`);
  await client.until(/^HTTP\/1\.1 202/);

  const greedy = new RawClient(ingest.port);
  greedy.send(`${POST}Ce-Large: ${'x'.repeat(4 * MIB)}`);
  expect(await greedy.until(/bytes\n/)).toMatch(/^HTTP\/1\.1 431 [^]*header fields are larger than 65536 bytes\n$/);
  await greedy.closed;
  expect(await refused(ingest, 'header_too_large')).toBe(1);
});

test('a client that asks first gets 100 Continue, and then its answer', async () => {
  const ingest = await startIngest();
  const client = new RawClient(ingest.port);
  client.send(`${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  client.send('ok');
  await client.until(/HTTP\/1\.1 202/);
});

test('a client that asks first is refused without sending its body', async () => {
  const ingest = await startIngest({ config: { maxBodyBytes: 10 } });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Expect: 100-continue\r\nContent-Length: 11\r\n\r\n`);
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 413 /);
});

/** A request that holds all room there is until the appender lets go. */
async function fill(ingest: Ingest, bytes: number): Promise<{ answer: Promise<Answer> }> {
  ingest.appender.hold();
  const answer = send(ingest.port, { headers: binary(), body: Buffer.alloc(bytes) });
  await expect.poll(() => ingest.appender.held?.length).toBe(1);
  return { answer };
}

test('without room a request waits before its body is read, and goes on as soon as there is room', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 10 * KIB, holdMaxMs: 20_000 } });
  const first = await fill(ingest, 9900);
  const client = new RawClient(ingest.port);
  client.send(`${POST}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`);
  await expect.poll(() => waiting(ingest)).toBe(1);
  expect(client.text).toBe('');
  ingest.appender.letGo();
  await client.until(/100 Continue/);
  client.send(Buffer.alloc(1000));
  await client.until(/HTTP\/1\.1 202/);
  expect(await first.answer).toMatchObject({ status: 202 });
  const [firstHeldMs, heldMs] = ingest.appender.heldMs;
  expect(firstHeldMs).toBe(0);
  expect(heldMs, 'the wait for room is part of the hold').toBeGreaterThan(0);
});

test('a request that finds no room within the hold gets 503 and Retry-After', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 10 * KIB, holdMaxMs: 100 } });
  const first = await fill(ingest, 9900);
  const answer = await send(ingest.port, { headers: binary(), body: Buffer.alloc(1000) });
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
  expect(await refused(ingest, 'in_flight_full')).toBe(1);
  expect(ingest.appender.lines).toHaveLength(1);
  ingest.appender.letGo();
  expect(await first.answer).toMatchObject({ status: 202 });
});

/** A body of unknown length, sent in two parts. */
const PART = `${(70 * KIB).toString(16)}\r\n${'x'.repeat(70 * KIB)}\r\n`;

test('bodies that are in part here do not block each other: all of them are taken', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 200 * KIB, holdMaxMs: 20_000 } });
  const clients = Array.from({ length: 4 }, (_, number) => {
    const client = new RawClient(ingest.port);
    client.send(`${POST}${number % 2 === 0 ? 'Transfer-Encoding: chunked' : `Content-Length: ${140 * KIB}`}\r\n\r\n`);
    client.send(number % 2 === 0 ? PART : 'x'.repeat(70 * KIB));
    return client;
  });
  await expect.poll(() => inFlight(ingest)).toBeGreaterThan(150 * KIB);
  for (const [number, client] of clients.entries()) {
    client.send(number % 2 === 0 ? `${PART}0\r\n\r\n` : 'x'.repeat(70 * KIB));
  }
  await Promise.all(clients.map((client) => client.until(/^HTTP\/1\.1 202/)));
  expect(ingest.appender.lines).toHaveLength(4);
});

test('a compressed body waits for room to inflate, and is taken', async () => {
  const ingest = await startIngest({ config: { maxBodyBytes: MIB, maxInFlightBytes: MIB, holdMaxMs: 20_000 } });
  const headers = binary({ 'Content-Encoding': 'gzip', 'Content-Type': 'text/plain' });
  const body = gzipSync('x'.repeat(MIB));
  const answers = await Promise.all(Array.from({ length: 5 }, () => send(ingest.port, { headers, body })));
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
});

test('what a client only announces takes no room', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: MIB } });
  for (let slow = 0; slow < 30; slow++) new RawClient(ingest.port).send(`${POST}Content-Length: ${MIB}\r\n\r\nx`);
  await expect.poll(() => inFlight(ingest)).toBeGreaterThan(30 * 16 * KIB);
  expect(await inFlight(ingest)).toBeLessThan(31 * 17 * KIB);
  const startMs = performance.now();
  expect(await send(ingest.port, { headers: binary(), body: Buffer.alloc(300 * KIB) })).toMatchObject({ status: 202 });
  expect(performance.now() - startMs).toBeLessThan(4000);
  expect(await refused(ingest, 'too_slow')).toBe(0);
});

test('a slow client is refused while others need the room it holds, one that sends a byte now and then too', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: MIB, holdMaxMs: 20_000 } });
  const slow: RawClient[] = [];
  for (const number of [1, 2]) {
    slow.push(new RawClient(ingest.port));
    slow.at(-1)?.send(`${POST}Content-Length: ${MIB}\r\n\r\n${'x'.repeat(700 * KIB)}`);
    await expect.poll(() => inFlight(ingest)).toBeGreaterThan(number * 690 * KIB);
  }
  const drip = setInterval(() => slow[1]?.send('x'), 50);
  onTestFinished(() => clearInterval(drip));
  const answer = await send(ingest.port, { headers: binary(), body: Buffer.alloc(MIB) });
  expect(answer).toMatchObject({ status: 202 });
  await Promise.race(slow.map((client) => client.until(/HTTP\/1\.1 503 [^]*too slowly/)));
  expect(await refused(ingest, 'too_slow')).toBeGreaterThan(0);
});

test('a crowd of large bodies that find no room is refused at a pace', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 200 * KIB, holdMaxMs: 100 } });
  const clients = Array.from({ length: 150 }, () => {
    const client = new RawClient(ingest.port);
    client.send(`${POST}Content-Length: ${100 * KIB}\r\n\r\n${'x'.repeat(100 * KIB - 1)}`);
    return client;
  });
  const answered = (): number => clients.filter(({ text }) => text !== '').length;
  await expect.poll(answered).toBeGreaterThanOrEqual(50);
  expect(answered(), 'the rest waits for its turn').toBeLessThan(140);
  for (const client of clients) client.socket.destroy();
});

test('ten times as many connections as there is room for leave nothing behind', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 50 * KIB, holdMaxMs: 200 } });
  ingest.appender.hold();
  const clients = Array.from({ length: 400 }, () => send(ingest.port, { headers: binary(), body: Buffer.alloc(KIB) }));
  // The loop of this process may be held up for longer than this short hold.
  const turnedAway = async () => (await refused(ingest, 'in_flight_full')) + (await refused(ingest, 'overloaded'));
  await expect.poll(turnedAway).toBeGreaterThan(300);
  expect(await inFlight(ingest)).toBeLessThanOrEqual(50 * KIB);
  ingest.appender.letGo();
  const answers = await Promise.all(clients);
  const stored = answers.filter(({ status }) => status === 202).length;
  expect(stored).toBe(ingest.appender.lines.length);
  expect(answers.every(({ status }) => status === 202 || status === 503)).toBe(true);
});

test('a client that leaves in the middle of its body leaves nothing behind', async () => {
  const ingest = await startIngest();
  for (const framing of ['Content-Length: 100000\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\nffff\r\n']) {
    const client = new RawClient(ingest.port);
    client.send(`${POST}${framing}some of it`);
    await expect.poll(() => inFlight(ingest)).toBeGreaterThan(0);
    client.socket.destroy();
    await expect.poll(() => inFlight(ingest)).toBe(0);
  }
  expect(await refused(ingest, 'disconnected')).toBe(2);
  expect(ingest.appender.lines).toEqual([]);
});

test('a client that leaves stops waiting for room; events that were submitted before it left are stored', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 10 * KIB, holdMaxMs: 20_000 } });
  ingest.appender.hold();
  const first = new RawClient(ingest.port);
  first.send(`${POST}Content-Length: 9900\r\n\r\n${'x'.repeat(9900)}`);
  await expect.poll(() => ingest.appender.held?.length).toBe(1);
  const second = new RawClient(ingest.port);
  second.send(`${POST}Content-Length: 1000\r\n\r\n${'x'.repeat(1000)}`);
  await expect.poll(() => waiting(ingest)).toBe(1);
  second.socket.resetAndDestroy();
  await expect.poll(() => waiting(ingest)).toBe(0);
  first.socket.resetAndDestroy();
  await first.closed;
  ingest.appender.letGo();
  await expect.poll(() => ingest.metric('sink_ingest_events_accepted_total')).toBe(1);
  expect(await inFlight(ingest)).toBe(0);
});

test('header fields without an end close the connection, without an answer that a client could misread', async () => {
  const ingest = await startIngest({ timeouts: { headersTimeoutMs: 100, requestTimeoutMs: 200 } });
  const silent = new RawClient(ingest.port);
  const slow = new RawClient(ingest.port);
  slow.send(POST);
  await Promise.all([silent.closed, slow.closed]);
  expect(silent.text + slow.text).toBe('');
});

test('a body that does not arrive in time gets 503: brokers take a 4xx for the fault of the event', async () => {
  const ingest = await startIngest({ timeouts: { headersTimeoutMs: 100, requestTimeoutMs: 200 } });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 100\r\n\r\nx`);
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 503 [^]*Retry-After[^]*did not arrive in time\n$/);
  await expect.poll(() => inFlight(ingest)).toBe(0);
});

test('bytes that are no HTTP, and HTTP with two lengths, get a 400 with one line', async () => {
  const ingest = await startIngest();
  for (const bytes of [
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'POST / HTTP/1.1\r\nHost h\r\n\r\n',
    `${POST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
    `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  ]) {
    const client = new RawClient(ingest.port);
    client.send(Buffer.from(bytes, 'latin1'));
    await client.closed;
    expect(client.text).toMatch(/^HTTP\/1\.1 400 [^]*\r\n\r\nmalformed HTTP: [^\n]+\n$/);
  }
  expect(ingest.appender.lines).toEqual([]);
});

test('a transfer coding other than chunked is 501: its bytes are not stored as if they were the event', async () => {
  const ingest = await startIngest();
  const body = gzipSync('the real data');
  const chunk = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]);
  const codings = ['gzip, chunked', 'chunked, chunked', 'gzip', 'identity', 'chunked, gzip', 'xchunked'];
  for (const method of ['POST', 'PUT']) {
    for (const fields of [
      ...codings.map((coding) => `Transfer-Encoding: ${coding}`),
      'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked',
    ]) {
      const client = new RawClient(ingest.port);
      client.send(Buffer.concat([Buffer.from(`${method} / HTTP/1.1\r\n${RAW_BINARY}${fields}\r\n\r\n`), chunk]));
      await client.closed;
      expect(client.text, fields).toMatch(
        /^HTTP\/1\.1 501 Not Implemented\r\n[^]*Transfer-Encoding [^\n]*only chunked is taken\n$/,
      );
    }
  }
  expect(await refused(ingest, 'transfer_encoding')).toBe(14);
  const client = new RawClient(ingest.port);
  client.send(`${POST}Transfer-Encoding: Chunked\r\n\r\n2\r\nxx\r\n0\r\n\r\n`);
  await client.until(/ 202 /);
  expect(ingest.appender.lines).toHaveLength(1);
});

test('two Host headers are 400, equal ones too (RFC 9112)', async () => {
  const ingest = await startIngest();
  for (const method of ['POST', 'PUT', 'OPTIONS', 'GET']) {
    for (const host of ['h', 'other']) {
      const client = new RawClient(ingest.port);
      client.send(`${method} / HTTP/1.1\r\n${RAW_BINARY}Host: ${host}\r\nContent-Length: 0\r\n\r\n`);
      expect(await client.until(/\n$/)).toMatch(/^HTTP\/1\.1 400 /);
    }
  }
  expect(ingest.appender.lines).toEqual([]);
});

test('a client that ends its side after the request gets its answer, and then its connection ends', async () => {
  const ingest = await startIngest();
  const requests = [
    `${POST}Content-Length: 2\r\n\r\nxx`,
    `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\n\r\n`,
  ];
  for (const [request, answers] of [...requests.map((one) => [one, 1] as const), [requests.join(''), 2] as const]) {
    ingest.appender.hold();
    const client = new RawClient(ingest.port);
    client.socket.end(request);
    await expect.poll(() => ingest.appender.held?.length).toBe(answers);
    await new Promise((resolve) => setTimeout(resolve, 50));
    ingest.appender.letGo();
    await client.closed;
    expect(client.text.match(/HTTP\/1\.1 202 /g)).toHaveLength(answers);
  }
  for (const [method, status] of [
    ['OPTIONS', 200],
    ['GET', 405],
  ] as const) {
    const client = new RawClient(ingest.port);
    client.socket.end(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`);
    await client.closed;
    expect(client.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  }
  expect(ingest.appender.lines).toHaveLength(4);
  expect(await refused(ingest, 'disconnected')).toBe(0);
});

test('a client that ended its side while it waits for room gets its answer too', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 10 * KIB, holdMaxMs: 20_000 } });
  const first = await fill(ingest, 9900);
  const client = new RawClient(ingest.port);
  client.socket.end(`${POST}Content-Length: 1000\r\n\r\n${'x'.repeat(1000)}`);
  await expect.poll(() => waiting(ingest)).toBe(1);
  ingest.appender.letGo();
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 202 /);
  expect(await first.answer).toMatchObject({ status: 202 });
});

test('connections beyond the limit of open files are closed, counted, and leave descriptors for everything else', async () => {
  const openFiles = readdirSync('/proc/self/fd').length;
  const ingest = await startIngest({ config: { openFilesMax: openFiles + 64 + 4 } });
  const clients = Array.from({ length: 12 }, () => new RawClient(ingest.port));
  const dropped = () => ingest.metric('sink_ingest_connections_dropped_total');
  await expect.poll(dropped).toBeGreaterThan(0);
  await expect.poll(async () => clients.filter(({ socket }) => socket.destroyed).length - (await dropped())).toBe(0);
  for (const client of clients) client.socket.destroy();
  await expect.poll(async () => (await send(ingest.port, { headers: binary() }).catch(() => null))?.status).toBe(202);
});

test('the limit of open files is that of this process', () => {
  expect(openFilesMax()).toBe(Number(execFileSync('sh', ['-c', 'ulimit -n']).toString()) || null);
});

test('garbage after a sound request does not affect the answer of that request', async () => {
  const ingest = await startIngest();
  ingest.appender.hold();
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 0\r\n\r\n\x16\x03garbage\r\n\r\n`);
  await expect.poll(() => ingest.appender.held?.length).toBe(1);
  ingest.appender.letGo();
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 202 /);
  expect(client.text).not.toContain('HTTP/1.1 400');
});

test('requests that are pipelined are answered in order', async () => {
  const ingest = await startIngest();
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 0\r\n\r\nPATCH / HTTP/1.1\r\nHost: h\r\n\r\n${POST}Content-Length: 0\r\n\r\n`);
  await client.until(/ 202 [^]* 405 [^]* 202 /);
});

test('HTTP/1.0 without a Host is taken', async () => {
  const ingest = await startIngest();
  const client = new RawClient(ingest.port);
  client.send(`${POST.replace('HTTP/1.1', 'HTTP/1.0').replace('Host: h\r\n', '')}Content-Length: 0\r\n\r\n`);
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 202 /);
});

test('a refused event keeps the connection, and an idle one is kept for keep_alive_timeout', async () => {
  const ingest = await startIngest({ config: { keepAliveTimeoutMs: 620_000 } });
  const client = new RawClient(ingest.port);
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx`);
  const [, seconds] = /Keep-Alive: timeout=(\d+)/.exec(await client.until(/ 400 [^]*\n$/)) ?? [];
  expect(Number(seconds)).toBe(620);
  client.send(`${POST}Content-Length: 0\r\n\r\n`);
  await client.until(/ 202 /);
});

test('stopping answers requests in flight, ends their connections, closes idle ones and takes no new ones', async () => {
  const ingest = await startIngest({ timeouts: { drainMaxMs: 20_000 } });
  const idle = new RawClient(ingest.port);
  idle.send(`${POST}Content-Length: 0\r\n\r\n`);
  await idle.until(/ 202 /);

  ingest.appender.hold();
  const busy = new RawClient(ingest.port);
  busy.send(`${POST}Content-Length: 0\r\n\r\n`);
  const sending = new RawClient(ingest.port);
  sending.send(`${POST}Content-Length: 4\r\n\r\nha`);
  await expect.poll(() => ingest.appender.held?.length).toBe(1);
  await expect.poll(() => inFlight(ingest)).toBeGreaterThan(0);

  const closed = ingest.server.close();
  await idle.closed;
  await expect(send(ingest.port, { headers: binary() })).rejects.toThrow('ECONNREFUSED');
  sending.send('lf');
  await expect.poll(() => ingest.appender.held?.length).toBe(2);
  ingest.appender.letGo();
  await closed;
  for (const client of [busy, sending]) {
    await client.closed;
    expect(client.text).toMatch(/^HTTP\/1\.1 202 [^]*Connection: close/);
  }
});

test('with stop_delay, stopping goes on accepting for that long, and each answer ends its connection', async () => {
  const ingest = await startIngest({ timeouts: { stopDelayMs: 3_000 } });
  const [kept, idle] = [new RawClient(ingest.port), new RawClient(ingest.port)];
  for (const client of [kept, idle]) {
    client.send(`${POST}Content-Length: 0\r\n\r\n`);
    await client.until(/ 202 /);
    expect(client.text).not.toContain('Connection: close');
  }

  const closed = ingest.server.close();
  kept.send(`${POST}Content-Length: 0\r\n\r\n`);
  await kept.closed;
  expect(kept.text).toMatch(/ 202 [^]* 202 [^]*Connection: close/);
  const answer = await send(ingest.port, { headers: binary() });
  expect(answer).toMatchObject({ status: 202, headers: { connection: 'close' } });
  expect((await send(ingest.port, { method: 'GET', path: '/healthz' })).status).toBe(200);

  await closed;
  await idle.closed;
  await expect(send(ingest.port, { headers: binary() })).rejects.toThrow('ECONNREFUSED');
});

test('stopping does not wait for a client that never finishes', async () => {
  const ingest = await startIngest({ timeouts: { drainMaxMs: 100 } });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 4\r\n\r\nha`);
  await expect.poll(() => inFlight(ingest)).toBeGreaterThan(0);
  await ingest.server.close();
  await client.closed;
  await expect.poll(() => inFlight(ingest)).toBe(0);
});

test('a connection carries many requests', async () => {
  const ingest = await startIngest();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<unknown>();
  for (let sent = 0; sent < 20; sent += 1) {
    const outgoing = request({ port: ingest.port, host: '127.0.0.1', method: 'POST', agent, headers: binary() });
    outgoing.end('x');
    const [incoming] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
    sockets.add(outgoing.socket);
    incoming.resume();
    await once(incoming, 'end');
  }
  agent.destroy();
  expect(sockets.size).toBe(1);
  expect(ingest.appender.lines).toHaveLength(20);
});

/** Holds up the event loop, as want of CPU time does. */
function holdUpLoop(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('a client is gone when its connection is closed; one that only ended its side is not, unless ingest is late', async () => {
  const ingest = await startIngest();
  ingest.appender.hold();
  const [closed, ended, open] = [1, 2, 3].map(() => new RawClient(ingest.port));
  for (const client of [closed, ended, open]) client?.send(`${POST}Content-Length: 0\r\n\r\n`);
  await expect.poll(() => ingest.appender.held?.length).toBe(3);
  const gone = () => ingest.appender.gone.filter((isGone) => isGone()).length;
  expect(gone()).toBe(0);
  closed?.socket.resetAndDestroy();
  await expect.poll(gone).toBe(1);
  ended?.socket.end();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(gone()).toBe(1);
  holdUpLoop(1_200);
  await expect.poll(gone).toBe(2);
  expect(await ingest.metric('sink_ingest_loop_lag_seconds')).toBeGreaterThan(1);
  await expect.poll(gone, { message: 'no longer late' }).toBe(1);
});

test('a client that has left gets no answer and is counted; its connection is closed', async () => {
  const ingest = await startIngest();
  ingest.appender.outcome = 'gone';
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 0\r\n\r\n`);
  await client.closed;
  expect(client.text).toBe('');
  expect(await refused(ingest, 'disconnected')).toBe(1);
});

test('a request that is read too late to be answered in time is refused at once; the next one is not', async () => {
  const ingest = await startIngest({ config: { holdMaxMs: 700 } });
  const client = new RawClient(ingest.port);
  client.send(`${POST}Content-Length: 0\r\n\r\n`);
  await client.until(/ 202 /);
  client.send(`${POST}Content-Length: 0\r\n\r\n`);
  holdUpLoop(900);
  await client.until(/ 503 [^]*too busy/);
  expect(await refused(ingest, 'overloaded')).toBe(1);
  await expect.poll(async () => (await send(ingest.port, { headers: binary() })).status).toBe(202);
});

test('slow appends refuse requests that would be answered too late, and not for ever', async () => {
  const ingest = await startIngest({ config: { holdMaxMs: 400 } });
  ingest.appender.hold();
  const slow = Array.from({ length: 30 }, () => send(ingest.port, { headers: binary() }));
  await expect.poll(() => ingest.appender.held?.length).toBe(30);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  ingest.appender.letGo();
  await Promise.all(slow);
  expect(await send(ingest.port, { headers: binary() })).toMatchObject({ status: 503 });
  await expect.poll(async () => (await send(ingest.port, { headers: binary() })).status).toBe(202);
});

test('the age of a connection when its first request is read', async () => {
  const ingest = await startIngest();
  const client = new RawClient(ingest.port);
  await new Promise((resolve) => setTimeout(resolve, 600));
  for (let request = 1; request <= 3; request++) {
    client.send(`${POST}Content-Length: 0\r\n\r\n`);
    await client.until(new RegExp(`( 202 [^]*){${request}}`));
  }
  const age = 'sink_ingest_connection_age_seconds';
  expect(await ingest.metric(`${age}_count`)).toBe(1);
  expect(await ingest.metric(`${age}_bucket{le="0.5"}`)).toBe(0);
});

import { createServer, type Server } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { makeCertificate } from '@sink/testing';
import { afterEach, expect, it } from 'vitest';
import { AllowedHosts, type HostPorts } from './hosts.ts';
import { DOCUMENT_BYTES_MAX } from './source.ts';

const certificate = makeCertificate(['DNS:schemas.test', 'IP:127.0.0.1']);
if (certificate === null) throw new Error('these tests need openssl');
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** What `schemas.test` means, call by call; the last one stays. */
function lookingUp(...answers: readonly (readonly string[])[]): LookupFunction {
  let call = 0;
  return (_host, { all }, callback) => {
    const addresses = (answers[Math.min(call++, answers.length - 1)] ?? []).map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    if (all === true) callback(null, addresses);
    else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
  };
}

async function serve(listener: RequestListener): Promise<{ port: number; asked: () => number }> {
  let asked = 0;
  const server = createServer({ cert: certificate?.cert, key: certificate?.key }, (req, res) => {
    asked += 1;
    listener(req, res);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, asked: () => asked };
}

/** Loopback counts as public unless a test says otherwise. */
function hosts(port: number, ports: HostPorts = {}): AllowedHosts {
  const { cert: ca } = certificate ?? { cert: '' };
  return new AllowedHosts([`schemas.test:${port}`, `127.0.0.1:${port}`], {
    lookup: lookingUp(['127.0.0.1']),
    ca,
    isPublic: () => true,
    timeoutMs: 1_000,
    ...ports,
  });
}

it('fetches a schema, without credentials', async () => {
  const seen: unknown[] = [];
  const { port } = await serve((req, res) => {
    seen.push(req.headers.authorization, req.headers.cookie, req.method, req.url);
    res.end('{"type":"object"}');
  });
  const uri = `https://schemas.test:${port}/order.json?v=1`;
  expect(hosts(port).isFor(uri)).toBe(true);
  expect(await hosts(port).find(uri)).toEqual({
    kind: 'document',
    document: { uri, text: '{"type":"object"}', keeps: 'unknown', references: {} },
  });
  expect(seen).toEqual([undefined, undefined, 'GET', '/order.json?v=1']);
});

it.each([
  'http://schemas.test/order.json',
  'https://schemas.test:1/order.json',
  'https://other.test/order.json',
  'https://user:password@schemas.test/order.json',
  'https://schemas.test.evil.test/order.json',
  'https://evil.test/schemas.test',
  'https://schemas.test@evil.test/',
  'ftp://schemas.test/',
  'file:///etc/passwd',
  'urn:example:order',
  'order.json',
  '',
])('is not for %s', (uri) => {
  expect(new AllowedHosts(['schemas.test']).isFor(uri)).toBe(false);
});

it('is for a host in any spelling, also with the port of https', () => {
  const source = new AllowedHosts(['Schemas.TEST:443', 'bücher.test', 'other.test:8443']);
  for (const uri of [
    'https://schemas.test/a',
    'https://SCHEMAS.test:443/a',
    'https://xn--bcher-kva.test/',
    'https://other.test:8443/',
  ]) {
    expect([uri, source.isFor(uri)]).toEqual([uri, true]);
  }
  expect(source.isFor('https://schemas.test:8443/a')).toBe(false);
});

it('connects to no private address: by name', async () => {
  const { port, asked } = await serve((_req, res) => res.end('{}'));
  const source = new AllowedHosts([`schemas.test:${port}`], { lookup: lookingUp(['127.0.0.1']) });
  expect(await source.find(`https://schemas.test:${port}/`)).toEqual({
    kind: 'absent',
    why: 'schemas.test is 127.0.0.1, no public address',
  });
  expect(asked()).toBe(0);
});

it('connects to no private address: by number, in any spelling', async () => {
  const { port, asked } = await serve((_req, res) => res.end('{}'));
  for (const host of ['127.0.0.1', '0x7f.1', '2130706433', '0177.0.0.1', '[::ffff:127.0.0.1]', '[::1]']) {
    const url = new URL(`https://${host}:${port}/`);
    const source = new AllowedHosts([url.host]);
    expect(source.isFor(url.href)).toBe(true);
    expect(await source.find(url.href)).toMatchObject({
      kind: 'absent',
      why: expect.stringContaining('no public address') as string,
    });
  }
  expect(asked()).toBe(0);
});

it('connects to no address of a name that also means a private one', async () => {
  const { port, asked } = await serve((_req, res) => res.end('{}'));
  const lookup = lookingUp(['1.1.1.1', '127.0.0.1']);
  expect(
    await new AllowedHosts([`schemas.test:${port}`], { lookup }).find(`https://schemas.test:${port}/`),
  ).toMatchObject({
    kind: 'absent',
  });
  expect(asked()).toBe(0);
});

it('judges a name anew at each connection: one that changes its meaning gets nowhere', async () => {
  const { port, asked } = await serve((_req, res) => res.end('{}'));
  const isPublic = (address: string): boolean => address !== '127.0.0.1';
  // Names of other loopback addresses stand for public ones here.
  const source = hosts(port, { isPublic, lookup: lookingUp(['127.0.0.2'], ['127.0.0.1']), timeoutMs: 500 });
  expect((await source.find(`https://schemas.test:${port}/`)).kind).toBe('away');
  expect(await source.find(`https://schemas.test:${port}/`)).toMatchObject({ kind: 'absent' });
  expect(asked()).toBe(0);
});

it('looks at the address that is really connected, whatever was said before', async () => {
  const { port, asked } = await serve((_req, res) => res.end('{}'));
  let judged = 0;
  // The first judgement is of the name, the second of the connection.
  const isPublic = (): boolean => ++judged === 1;
  expect(await hosts(port, { isPublic }).find(`https://schemas.test:${port}/`)).toMatchObject({
    kind: 'absent',
    why: '127.0.0.1 is no public address',
  });
  expect(asked()).toBe(0);
});

it('follows no redirect', async () => {
  const { port, asked } = await serve((_req, res) => {
    res.writeHead(302, { Location: `https://schemas.test/elsewhere` });
    res.end();
  });
  expect(await hosts(port).find(`https://schemas.test:${port}/`)).toMatchObject({
    kind: 'unusable',
    why: expect.stringContaining('302') as string,
  });
  expect(asked()).toBe(1);
});

it.each([
  [404, 'absent'],
  [410, 'absent'],
  [400, 'absent'],
  [401, 'away'],
  [403, 'away'],
  [429, 'away'],
  [500, 'away'],
  [503, 'away'],
])('a status of %i means %s', async (status, kind) => {
  const { port } = await serve((_req, res) => {
    res.statusCode = status;
    res.end('no');
  });
  expect((await hosts(port).find(`https://schemas.test:${port}/`)).kind).toBe(kind);
});

it('a certificate that does not verify counts as away', async () => {
  const { port, asked } = await serve((_req, res) => res.end('{}'));
  const source = new AllowedHosts([`schemas.test:${port}`], { lookup: lookingUp(['127.0.0.1']), isPublic: () => true });
  expect((await source.find(`https://schemas.test:${port}/`)).kind).toBe('away');
  expect(asked()).toBe(0);
});

it('waits for no slow body, and reads no endless one', async () => {
  const slow = await serve((_req, res) => {
    res.write('{');
    const timer = setInterval(() => res.write(' '), 100);
    res.once('close', () => clearInterval(timer));
  });
  const before = performance.now();
  expect(await hosts(slow.port, { timeoutMs: 500 }).find(`https://schemas.test:${slow.port}/`)).toMatchObject({
    kind: 'away',
  });
  expect(performance.now() - before).toBeLessThan(5_000);

  let sent = 0;
  const endless = await serve((_req, res) => {
    const block = Buffer.alloc(64 * 1024, ' ');
    const write = (): void => {
      while (!res.destroyed && res.write(block)) sent += block.length;
    };
    res.on('drain', write);
    write();
  });
  expect(await hosts(endless.port).find(`https://schemas.test:${endless.port}/`)).toMatchObject({ kind: 'unusable' });
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  const declared = await serve((_req, res) => {
    res.writeHead(200, { 'Content-Length': String(DOCUMENT_BYTES_MAX + 1) });
    res.write('{');
  });
  expect(await hosts(declared.port).find(`https://schemas.test:${declared.port}/`)).toMatchObject({ kind: 'unusable' });
});

it('takes no compressed answer, which it did not ask for', async () => {
  const { port } = await serve((req, res) => {
    expect(req.headers['accept-encoding']).toBe('identity');
    res.writeHead(200, { 'Content-Encoding': 'gzip' });
    res.end('x');
  });
  expect((await hosts(port).find(`https://schemas.test:${port}/`)).kind).toBe('away');
});

it('a server that closes the connection, or is not there, counts as away', async () => {
  const { port } = await serve((_req, res) => void res.destroy());
  expect((await hosts(port).find(`https://schemas.test:${port}/`)).kind).toBe('away');
  servers.splice(0).forEach((server) => server.close());
  expect((await hosts(port).find(`https://schemas.test:${port}/`)).kind).toBe('away');
});

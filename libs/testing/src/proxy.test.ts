import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from './eventually.ts';
import { startProxy } from './proxy.ts';
import type { Proxy } from './proxy.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server that answers every byte with the same byte and records what it received. */
async function echoBehindProxy(): Promise<{ proxy: Proxy; reached: () => string }> {
  let reached = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      reached += bytes.toString('latin1');
      socket.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  cleanups.push(() => proxy.close());
  return { proxy, reached: () => reached };
}

async function client(proxy: Proxy): Promise<{
  socket: Socket;
  answered: () => string;
  failure: () => string | undefined;
}> {
  const socket = connect({ host: proxy.host, port: proxy.port });
  cleanups.push(() => socket.destroy());
  let answered = '';
  let failure: string | undefined;
  socket.on('data', (bytes: Buffer) => (answered += bytes.toString('latin1')));
  socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code));
  await once(socket, 'connect');
  return { socket, answered: () => answered, failure: () => failure };
}

describe('a fault proxy', () => {
  test('forwards bytes in both directions and in order, more than it may buffer', async () => {
    const { proxy } = await echoBehindProxy();
    const { socket, answered } = await client(proxy);
    const sent = Array.from({ length: 300_000 }, (_, index) => index.toString(36)).join(',');
    proxy.delay(5);
    socket.write(sent);
    await eventually(() => answered().length === sent.length);
    expect(answered() === sent).toBe(true);
  });

  test('cut resets open connections and accepts new ones', async () => {
    const { proxy } = await echoBehindProxy();
    const { socket, failure } = await client(proxy);
    await eventually(() => proxy.connections() === 1);
    proxy.cut();
    await eventually(() => failure() === 'ECONNRESET');
    expect(socket.destroyed).toBe(true);
    await eventually(() => proxy.connections() === 0);
    const second = await client(proxy);
    second.socket.write('x');
    await eventually(() => second.answered() === 'x');
  });

  test('a blackhole holds all bytes and the end of a connection, and delivers them later', async () => {
    const { proxy, reached } = await echoBehindProxy();
    const { socket, answered } = await client(proxy);
    socket.write('1');
    await eventually(() => answered() === '1');
    proxy.blackhole(true);
    socket.write('2');
    socket.destroy();
    await sleep(50);
    expect(reached()).toBe('1');
    expect(proxy.connections()).toBe(1);
    proxy.blackhole(false);
    await eventually(() => reached() === '12');
    await eventually(() => proxy.connections() === 0);
  });

  test('a blackhole for answers lets the server handle the request, and a cut then loses the answer', async () => {
    const { proxy, reached } = await echoBehindProxy();
    const { socket, answered, failure } = await client(proxy);
    proxy.blackhole(true, 'answers');
    socket.write('request');
    await eventually(() => reached() === 'request');
    proxy.cut();
    proxy.blackhole(false);
    await eventually(() => failure() === 'ECONNRESET');
    expect(answered()).toBe('');
  });

  test('delay delays each direction', async () => {
    const { proxy } = await echoBehindProxy();
    const { socket, answered } = await client(proxy);
    proxy.delay(60);
    const startMs = performance.now();
    socket.write('x');
    await eventually(() => answered() === 'x', { intervalMs: 1 });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(119);
  });

  test('refuse refuses new connections and keeps open ones', async () => {
    const { proxy } = await echoBehindProxy();
    const { socket, answered } = await client(proxy);
    await proxy.refuse(true);
    await expect(client(proxy)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    socket.write('x');
    await eventually(() => answered() === 'x');
    await proxy.refuse(false);
    await client(proxy);
  });

  test('a missing server looks like a reset', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: 1 });
    cleanups.push(() => proxy.close());
    const { failure } = await client(proxy);
    await eventually(() => failure() === 'ECONNRESET');
  });
});

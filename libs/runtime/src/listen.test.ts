import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from './clock.ts';
import { awaitFreePort, findFreePort } from './listen.ts';

const never = new AbortController().signal;

async function holder(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

test('a free port is found, and is free again afterwards', async () => {
  const port = await findFreePort('127.0.0.1', 0);
  expect(port).toBeGreaterThan(0);
  expect(await findFreePort('127.0.0.1', port)).toBe(port);
});

test('a port that is released within the wait can be had', async () => {
  const { server, port } = await holder();
  setTimeout(() => server.close(), 150);
  expect(await awaitFreePort('127.0.0.1', port, { waitMs: 10_000, clock: systemClock, signal: never })).toBe(port);
});

test('a port that stays taken is an error with the code of the system, after the wait or when aborted', async () => {
  const { port } = await holder();
  const taken = { code: 'EADDRINUSE', message: expect.stringContaining(`listening on 127.0.0.1:${port}`) as string };
  await expect(findFreePort('127.0.0.1', port)).rejects.toMatchObject(taken);
  const wait = { waitMs: 120, clock: systemClock, signal: never };
  await expect(awaitFreePort('127.0.0.1', port, wait)).rejects.toMatchObject(taken);
  const aborted = { ...wait, waitMs: 60_000, signal: AbortSignal.timeout(50) };
  await expect(awaitFreePort('127.0.0.1', port, aborted)).rejects.toMatchObject(taken);
});

test('an address that this machine does not have is an error at once', async () => {
  const wait = { waitMs: 60_000, clock: systemClock, signal: never };
  await expect(awaitFreePort('192.0.2.1', 0, wait)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
});

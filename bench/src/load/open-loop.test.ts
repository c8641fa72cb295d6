import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { OpenLoopLoad } from './open-loop.ts';

const STALL_MS = 1_500;
const stalling = { at: -1, requests: 0 };
const server = createServer((request, response) => {
  request.resume();
  stalling.requests += 1;
  if (stalling.requests === stalling.at) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS);
  response.writeHead(202, { 'Content-Length': '0' });
  response.end();
});
afterEach(() => server.close());

test('a server that stalls once delays every request that was due meanwhile, not only those in flight', async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  stalling.at = 500;

  const load = new OpenLoopLoad(1_000);
  const result = await load.run({ url, messages: [{ headers: {}, body: 'x' }], connections: 4, seconds: 3 });

  expect(result).toMatchObject({ acknowledged: 3_000, failed: 0 });
  // 1,500 of 3,000 requests were due during the stall, on 4 connections: 300 in its first fifth, not only 30.
  expect(load.summary.latencyMs.p99).toBeGreaterThan(STALL_MS * 0.8);
  expect(load.summary.sendLagMs.p99).toBeGreaterThan(STALL_MS * 0.8);
});

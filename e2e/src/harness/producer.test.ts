import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { Producers } from './producer.ts';

it('an ingest that refuses permanently is noticed, and one that refuses at first gets its event again', async () => {
  let refusals = Infinity;
  const server = createServer((_, response) => response.writeHead(refusals-- > 0 ? 503 : 202).end()).listen(0);
  await once(server, 'listening');
  const target = { name: 'ingest-1', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const producers = new Producers(() => [], 0);
  try {
    expect(await producers.acknowledgedBy(target, 200)).toBe(false);
    expect(producers.acknowledgedTries).toBe(0);
    refusals = 2;
    expect(await producers.acknowledgedBy(target, 20_000)).toBe(true);
    expect([...producers.tries.values()].filter(({ acknowledged }) => acknowledged?.by === 'ingest-1')).toHaveLength(1);
  } finally {
    server.close();
  }
});

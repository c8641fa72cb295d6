/** Ten thousand schemas of a real registry over HTTP, within the bounds of the cache. Part of the proof: it takes a minute. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openSchemas } from '@sink/schemas';
import { createLogger, systemClock } from '@sink/runtime';
import { expect, it, onTestFinished } from 'vitest';

const SCHEMAS = 10_000;
const AT_ONCE = 32;
const MIB = 1024 * 1024;

it('10,000 schemas stay within the bounds of count, bytes and memory, and each verdict is right', async () => {
  let asked = 0;
  const server = createServer(({ url = '' }, res) => {
    asked += 1;
    const id = Number(/\d+$/.exec(url)?.[0]);
    const schema = {
      type: 'object',
      required: ['id'],
      properties: { id: { const: id }, name: { type: 'string', pattern: `^n${id}$` } },
    };
    res.end(JSON.stringify({ id, schemaType: 'JSON', schema: JSON.stringify(schema) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bounds = { entriesMax: 1_000, bytesMax: 16 * MIB };
  const opened = await openSchemas(
    { directories: [], registries: [{ kind: 'confluent', url }], allowHosts: [] },
    {
      clock: systemClock,
      log: createLogger({ service: 'ingest', level: 'silent' }),
      fetched: () => undefined,
      threaded: () => undefined,
      bounds,
    },
  );
  onTestFinished(async () => {
    await opened.close();
    server.closeAllConnections();
    server.close();
  });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { schemas } = opened;
  const before = process.memoryUsage().heapUsed;
  const wrong: number[] = [];
  const one = async (id: number): Promise<void> => {
    const uri = `${url}/schemas/ids/${id}`;
    const good = await schemas.check(uri, `{"id":${id},"name":"n${id}"}`);
    const bad = await schemas.check(uri, `{"id":${id},"name":"n${id + 1}"}`);
    if (good.kind !== 'valid' || bad.kind !== 'invalid') wrong.push(id);
  };
  for (let id = 0; id < SCHEMAS; id += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, SCHEMAS - id) }, (_, index) => one(id + index)));
    const { entries, bytes } = schemas.counts;
    expect(entries).toBeLessThanOrEqual(bounds.entriesMax);
    expect(bytes).toBeLessThanOrEqual(bounds.bytesMax);
  }
  collect();
  const grownMib = (process.memoryUsage().heapUsed - before) / MIB;
  const { entries, bytes } = schemas.counts;
  console.log(
    `schemas: ${asked} fetched, ${entries} kept, said to need ${(bytes / MIB).toFixed(1)} MiB; the heap grew by ${grownMib.toFixed(1)} MiB`,
  );
  expect(wrong).toEqual([]);
  expect(asked).toBe(SCHEMAS);
  // What the cache takes its entries to need is no less than they do, with room for what is not collected yet.
  expect(grownMib).toBeLessThan(3 * (bytes / MIB) + 32);
}, 300_000);

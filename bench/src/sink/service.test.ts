import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startProcess } from '@sink/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { counted, type Service } from './service.ts';

const METRICS = `# HELP sink_events_total Events.
# TYPE sink_events_total counter
sink_events_total{lane="0"} 3
sink_events_total{lane="1"} 4
# HELP sink_unused_total Nothing yet.
# TYPE sink_unused_total counter
# HELP sink_events_total_more Something else.
# TYPE sink_events_total_more counter
sink_events_total_more 100
`;
const server = createServer((_, response) => response.end(METRICS));
let service: Service;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const opsUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  service = { kind: 'batcher', url: '', opsUrl, process: await startProcess({ command: 'true' }) };
});
afterAll(() => server.close());

test('a counter is the sum over its labels, and 0 before the first of them appears', async () => {
  expect(await counted(service, 'sink_events_total')).toBe(7);
  expect(await counted(service, 'sink_unused_total')).toBe(0);
});

test('a counter that was renamed is an error, not 0', async () => {
  await expect(counted(service, 'sink_events')).rejects.toThrow('reading sink_events of batcher');
});

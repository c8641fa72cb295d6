import { eventually, freePort, type OtlpReceiver, startOtlpReceiver } from '@sink/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TracingSettings } from './environment.ts';
import { type ExportingTracing, startExporting } from './exporting.ts';
import type { SpanIdentity, SpanStart } from './port.ts';

const SETTINGS: TracingSettings = {
  endpoint: '',
  sampling: { parentBased: true, root: { kind: 'on' } },
  queueMax: 100,
  batchMax: 50,
  delayMs: 20,
  exportTimeoutMs: 30_000,
};
const REQUEST: SpanStart = { name: 'POST', kind: 'server', startedMs: 0, parent: null, links: [], attributes: {} };
const span = (n: number, state = ''): SpanIdentity => ({
  traceId: String(n + 1).padStart(32, 'a'),
  spanId: String(n + 1).padStart(16, 'b'),
  state,
});

let receiver: OtlpReceiver;
let counts: { exported: number; queue_full: number; export_failed: number; failures: number; works: number };
const opened: ExportingTracing[] = [];

function open(env: Readonly<Record<string, string>> = {}, settings: Partial<TracingSettings> = {}): ExportingTracing {
  for (const [name, value] of Object.entries({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env }))
    vi.stubEnv(name, value);
  const tracing = startExporting(
    { ...SETTINGS, ...settings },
    {
      service: 'ingest',
      sinkName: 'test',
      random: Math.random,
      exported: (spans) => void (counts.exported += spans),
      dropped: (spans, reason) => void (counts[reason] += spans),
      reporter: { failed: () => void (counts.failures += 1), succeeded: () => void (counts.works += 1) },
      warn: () => undefined,
    },
  );
  opened.push(tracing);
  return tracing;
}

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  counts = { exported: 0, queue_full: 0, export_failed: 0, failures: 0, works: 0 };
});

afterEach(async () => {
  receiver.answer = 200;
  await receiver.close();
  await Promise.all(opened.splice(0).map((tracing) => tracing.close(100)));
  vi.unstubAllEnvs();
});

test('a span arrives with its parent, links, times, attributes and error', async () => {
  const tracing = open({ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x' });
  const startedMs = performance.now() - 250;
  const startedAtMs = Date.now() - 250;
  const started = tracing.start({
    name: 'append {sink:0}:chunks',
    kind: 'producer',
    startedMs,
    parent: span(0, 'rojo=1'),
    links: [span(0), span(1)],
    attributes: { text: 'é', number: 7, fraction: 0.5, yes: true },
  });
  started.end({ more: 'x' }, 'in_doubt');
  const [received] = await receiver.wait(1);
  expect(received).toMatchObject({
    service: 'sink-aws-s3-ingest',
    name: 'append {sink:0}:chunks',
    kind: 'producer',
    traceId: span(0).traceId,
    spanId: started.identity.spanId,
    parentSpanId: span(0).spanId,
    traceState: 'rojo=1',
    attributes: { text: 'é', number: 7, fraction: 0.5, yes: true, more: 'x', 'error.type': 'in_doubt' },
    links: [0, 1].map((n) => ({ traceId: span(n).traceId, spanId: span(n).spanId })),
    isError: true,
  });
  expect(started.identity).toEqual({ traceId: span(0).traceId, spanId: received?.spanId, state: 'rojo=1' });
  expect(Math.abs((received?.startMs ?? 0) - startedAtMs)).toBeLessThan(100);
  expect((received?.endMs ?? 0) - (received?.startMs ?? 0)).toBeGreaterThanOrEqual(249);
  expect(receiver.requests[0]).toMatchObject({ authorization: 'Bearer x', 'content-type': 'application/x-protobuf' });
  await eventually(() => counts.exported === 1 && counts.works === 1);
});

test('a span without a parent begins a trace, and the resource is the service or what the environment says', async () => {
  open().start(REQUEST).end({});
  open({ OTEL_SERVICE_NAME: 'mine', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.namespace=ns' })
    .start(REQUEST)
    .end({});
  const spans = await receiver.wait(2);
  expect(spans.map(({ parentSpanId }) => parentSpanId)).toEqual(['', '']);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(2);
  const resources = spans.map(({ resource }) => resource);
  expect(resources).toContainEqual(
    expect.objectContaining({
      'service.name': 'sink-aws-s3-ingest',
      'service.namespace': 'test',
      'process.pid': process.pid,
    }),
  );
  expect(resources).toContainEqual(
    expect.objectContaining({
      'service.name': 'mine',
      'service.namespace': 'ns',
      'deployment.environment.name': 'test',
    }),
  );
});

test('gzip, and a path and headers for traces alone', async () => {
  open({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-token=secret',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  })
    .start(REQUEST)
    .end({});
  await receiver.wait(1);
  expect(receiver.requests[0]).toMatchObject({ 'x-token': 'secret', 'content-encoding': 'gzip' });
});

test('a span has 128 links at most', async () => {
  open()
    .start({ ...REQUEST, links: Array.from({ length: 200 }, (_, n) => span(n)) })
    .end({});
  const [received] = await receiver.wait(1);
  expect(received?.links).toHaveLength(128);
});

test('what waits for a collector that does not answer is bounded; the rest is dropped and counted', async () => {
  receiver.answer = 'nothing';
  const tracing = open({ OTEL_EXPORTER_OTLP_TIMEOUT: '60000' });
  for (let n = 0; n < 1_000; n++) tracing.start(REQUEST).end({});
  expect(counts.queue_full).toBe(900);
  const startedMs = performance.now();
  await tracing.close(200);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

test('without a collector spans are dropped and counted, and failures are reported', async () => {
  const tracing = open({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
  });
  for (let n = 0; n < 10; n++) tracing.start(REQUEST).end({});
  await eventually(() => counts.export_failed === 10);
  expect(counts).toMatchObject({ exported: 0, queue_full: 0, failures: 1 });
});

test('a collector that refuses is reported; when it takes spans again, they arrive', async () => {
  receiver.answer = 401;
  const tracing = open();
  tracing.start(REQUEST).end({});
  await eventually(() => counts.failures === 1);
  receiver.answer = 200;
  tracing.start({ ...REQUEST, name: 'later' }).end({});
  await receiver.wait(1, ({ name }) => name === 'later');
  await eventually(() => counts.works === 1);
  expect(counts.export_failed).toBe(1);
});

test('closing sends what waits', async () => {
  const tracing = open({}, { delayMs: 60_000 });
  for (let n = 0; n < 40; n++) tracing.start(REQUEST).end({});
  await tracing.close(10_000);
  expect(receiver.spans).toHaveLength(40);
});

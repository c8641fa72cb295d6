import { laneKeys } from '@sink/lane';
import { eventually, freePort, type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';

const PARENT = 'b7ad6b7169203331';
const CLOUDEVENT = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';

let collector: OtlpReceiver;
let sink: Pipeline | undefined;
beforeEach(async () => {
  collector = await startOtlpReceiver();
});
afterEach(async () => {
  await sink?.stop();
  sink = undefined;
  await collector.close();
});

/** Starts a sink that exports to the collector, unless the settings say something else. */
async function start(settings: Readonly<Record<string, string>> = {}): Promise<Pipeline> {
  sink = await Pipeline.start({
    settings: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      SINK_LOG_LEVEL: 'debug',
      ...settings,
    },
  });
  return sink;
}

/** A trace id that is easy to tell apart. */
const trace = (n: number): string => String(n).padStart(32, '0a');
const traceparent = (n: number, flags = '01'): string => `00-${trace(n)}-${PARENT}-${flags}`;

async function post(pipeline: Pipeline, headers: Record<string, string>, body?: unknown): Promise<void> {
  const url = `${pipeline.of('ingest')[0]?.url ?? ''}/orders?token=secret`;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(url, { method: 'POST', headers, ...(body !== undefined && { body: text }) });
  expect(answer.status).toBe(202);
}

const inHeaders = (id: string, more: Record<string, string> = {}): Record<string, string> => ({
  'ce-specversion': '1.0',
  'ce-id': id,
  'ce-source': '/tracing',
  'ce-type': 'test',
  ...more,
});
const event = (id: string, more: object = {}): object => ({
  specversion: '1.0',
  id,
  source: '/tracing',
  type: 'test',
  ...more,
});

/** The four spans of the way of one request, by service; the seal's parent and links say that they belong to it. */
async function wayOf(n: number): Promise<Record<'request' | 'append' | 'seal' | 'upload', ReceivedSpan>> {
  const spans = await collector.wait(4, ({ traceId }) => traceId === trace(n));
  expect(spans).toHaveLength(4);
  const named = (start: string): ReceivedSpan => {
    const found = spans.find(({ name }) => name.startsWith(start));
    if (found === undefined) throw new Error(`no span ${start}: ${JSON.stringify(spans)}`);
    return found;
  };
  return { request: named('POST'), append: named('append'), seal: named('seal'), upload: named('upload') };
}

it('one trace leads from a request to its object', async () => {
  const pipeline = await start();
  await post(pipeline, inHeaders('1', { traceparent: traceparent(1), tracestate: 'rojo=1' }), { to: 'the sink' });
  const { request, append, seal, upload } = await wayOf(1);

  expect([request, append, seal, upload].map(({ service }) => service)).toEqual([
    'sink-aws-s3-ingest',
    'sink-aws-s3-ingest',
    'sink-aws-s3-batcher',
    'sink-aws-s3-uploader',
  ]);
  expect(request.parentSpanId).toBe(PARENT);
  expect([append.parentSpanId, seal.parentSpanId, upload.parentSpanId]).toEqual([
    request.spanId,
    request.spanId,
    seal.spanId,
  ]);
  const link = { traceId: trace(1), spanId: request.spanId };
  expect([request.links, append.links, seal.links, upload.links]).toEqual([[], [link], [link], [link]]);
  expect([request, append, seal, upload].map(({ kind }) => kind)).toEqual([
    'server',
    'producer',
    'consumer',
    'consumer',
  ]);
  expect([request, append, seal, upload].map(({ traceState }) => traceState)).toEqual(Array(4).fill('rojo=1'));
  expect([request, append, seal, upload].some(({ isError }) => isError)).toBe(false);

  const [[key = '', lines = []] = []] = await pipeline.objects();
  expect(lines).toHaveLength(1);
  expect(request.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.response.status_code': 202,
    'url.path': '/orders',
    'url.scheme': 'http',
    'server.address': '127.0.0.1',
    'network.protocol.version': '1.1',
    'cloudevents.event_id': '1',
    'cloudevents.event_source': '/tracing',
    'cloudevents.event_type': 'test',
  });
  expect(JSON.stringify(collector.spans)).not.toContain('secret');
  const stream = laneKeys(pipeline.sinkName, 0).chunks;
  const messaging = {
    'messaging.system': 'redis',
    'messaging.destination.name': stream,
    'messaging.batch.message_count': 1,
  };
  expect(append.attributes).toMatchObject({
    ...messaging,
    'messaging.operation.type': 'send',
    'sink.outcome': 'stored',
  });
  expect(seal.attributes).toMatchObject({
    ...messaging,
    'messaging.operation.type': 'process',
    'sink.object.key': key,
  });
  expect(upload.attributes).toMatchObject({ 'sink.object.key': key, 'sink.upload.result': 'stored' });
  expect(request.startMs).toBeLessThanOrEqual(append.startMs + 2);
  expect(append.endMs).toBeLessThanOrEqual(seal.startMs + 2);

  // The line says which span it belongs to.
  const log = pipeline.of('uploader')[0]?.process.output().split('\n') ?? [];
  const stored = log.find((line) => line.includes('object stored')) ?? '{}';
  expect(JSON.parse(stored)).toMatchObject({ trace_id: trace(1), span_id: upload.spanId });
  await pipeline.drained();
});

it('without traceparent in its header, a request continues the one of its event, in every content mode', async () => {
  const pipeline = await start();
  await post(pipeline, inHeaders('1', { 'ce-traceparent': traceparent(1), 'ce-tracestate': 'a=1' }));
  await post(pipeline, { 'content-type': CLOUDEVENT }, event('2', { traceparent: traceparent(2), tracestate: 'b=2' }));
  // Not plain: it has an escape in an attribute, and is read by JSON.parse.
  const escaped = `{"specversion":"1.0","id":"3","source":"/\\u00e9","type":"test","traceparent":"${traceparent(3)}"}`;
  await post(pipeline, { 'content-type': CLOUDEVENT }, escaped);
  const events = [
    event('4'),
    event('5', { traceparent: traceparent(5) }),
    event('6', { traceparent: traceparent(6, '00') }),
    event('7', { traceparent: traceparent(7), data: { traceparent: traceparent(9) } }),
  ];
  await post(pipeline, { 'content-type': BATCH }, events);
  // The header of the request comes first; the event's own trace is linked to.
  await post(pipeline, inHeaders('8', { traceparent: traceparent(8), 'ce-traceparent': traceparent(10) }));

  const requests = await collector.wait(5, ({ name }) => name === 'POST');
  const found = requests.map(({ traceId, parentSpanId, traceState, links }) => ({
    traceId,
    parentSpanId,
    traceState,
    links,
  }));
  const linkTo = (n: number): object => ({ traceId: trace(n), spanId: PARENT });
  expect(found).toEqual([
    { traceId: trace(1), parentSpanId: PARENT, traceState: 'a=1', links: [] },
    { traceId: trace(2), parentSpanId: PARENT, traceState: 'b=2', links: [] },
    { traceId: trace(3), parentSpanId: PARENT, traceState: '', links: [] },
    { traceId: trace(5), parentSpanId: PARENT, traceState: '', links: [linkTo(7)] },
    { traceId: trace(8), parentSpanId: PARENT, traceState: '', links: [linkTo(10)] },
  ]);
  expect(requests[3]?.attributes).toMatchObject({ 'messaging.batch.message_count': 4 });
  // All of them are linked to by the seals and uploads of their objects.
  const ids = requests.map(({ spanId }) => spanId).sort();
  for (const step of ['append', 'seal', 'upload']) {
    const linked = async (): Promise<string[]> =>
      collector.spans
        .filter(({ name }) => name.startsWith(step))
        .flatMap(({ links }) => links.map(({ spanId }) => spanId))
        .sort();
    await eventually(async () => expect(await linked()).toEqual(ids), { timeoutMs: 20_000 });
  }
  await pipeline.drained();
});

it('what the parent did not sample, and what the sampler leaves out, leaves no trace anywhere', async () => {
  const pipeline = await start({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
  const client = new Redis(pipeline.redis.url);
  const { chunks } = laneKeys(pipeline.sinkName, 0);
  try {
    await post(pipeline, inHeaders('1', { traceparent: traceparent(1, '00'), 'ce-traceparent': traceparent(2) }));
    await post(pipeline, inHeaders('2', { 'ce-traceparent': traceparent(3, '00') }));
    await post(pipeline, inHeaders('3', { traceparent: 'broken' }));
    await post(pipeline, inHeaders('4'));
    for (const [, fields] of await client.xrange(chunks, '-', '+')) expect(fields).not.toContain('o');
    // The parent decides about this one, which comes last: all others would have arrived by then.
    await post(pipeline, inHeaders('5', { traceparent: traceparent(5) }));
    const carried = (await client.xrange(chunks, '-', '+')).filter(([, fields]) => fields.includes('o'));
    expect(carried.map(([, fields]) => fields.at(-1))).toEqual([expect.stringContaining(trace(5))]);
    const { seal } = await wayOf(5);
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([trace(5)]));
    expect(seal.links).toHaveLength(1);
    await pipeline.drained();
  } finally {
    client.disconnect();
  }
});

it('a broken traceparent is ignored: the request begins a trace', async () => {
  const pipeline = await start();
  await post(pipeline, inHeaders('1', { traceparent: `00-${trace(1)}-${PARENT}-01-more`, tracestate: 'a=1' }));
  const [request] = await collector.wait(1, ({ name }) => name === 'POST');
  expect(request).toMatchObject({ parentSpanId: '', traceState: '' });
  expect(request?.traceId).not.toBe(trace(1));
});

it('a request that is refused has a span that says why', async () => {
  const pipeline = await start({ SINK_MAX_BODY_BYTES: '1000' });
  const url = pipeline.of('ingest')[0]?.url ?? '';
  await fetch(url, { method: 'POST', headers: { traceparent: traceparent(1) } });
  await fetch(url, { method: 'POST', headers: { traceparent: traceparent(2) }, body: 'x'.repeat(2_000) });
  const spans = await collector.wait(2);
  const found = spans.map(({ attributes, isError }) => [
    attributes['http.response.status_code'],
    attributes['sink.refusal.reason'],
    isError,
  ]);
  expect(found).toEqual([
    [400, 'content_type', false],
    [413, 'body_too_large', false],
  ]);
});

it('a batcher that continues after another was killed continues its traces, too', async () => {
  const pipeline = await start({ SINK_SCHEDULED_INTERVAL: '3' });
  await post(pipeline, inHeaders('1', { traceparent: traceparent(1) }));
  await collector.wait(2, ({ traceId }) => traceId === trace(1));
  const [batcher] = pipeline.of('batcher');
  if (batcher) await pipeline.crash(batcher);
  await wayOf(1);
});

it('with the collector away everything works as ever, and drops are counted', async () => {
  const pipeline = await start({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '300',
    OTEL_BSP_MAX_QUEUE_SIZE: '20',
  });
  for (let round = 0; round < 4; round++) {
    await Promise.all(Array.from({ length: 25 }, (_, n) => post(pipeline, inHeaders(`${round}-${n}`))));
  }
  await pipeline.drained();
  const [ingest] = pipeline.of('ingest');
  const dropped = async (): Promise<number> => {
    const metrics = await (await fetch(`${ingest?.opsUrl ?? ''}/metrics`)).text();
    return [...metrics.matchAll(/^sink_trace_spans_dropped_total\{.*\} (\d+)$/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  await eventually(async () => expect(await dropped()).toBeGreaterThanOrEqual(100), { timeoutMs: 20_000 });
  expect((await fetch(`${ingest?.opsUrl ?? ''}/readyz`)).status).toBe(200);
  const lines = ingest?.process.output().split('\n') ?? [];
  expect(lines.filter((line) => line.includes('exporting traces fails')).length).toBeLessThan(4);
  for (const service of pipeline.services) {
    const startedMs = performance.now();
    expect(await service.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(15_000);
  }
  expect([...(await pipeline.objects()).values()].flat()).toHaveLength(100);
}, 60_000);

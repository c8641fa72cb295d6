import type { Attributes, RemoteSpan, SpanStart, Tracing } from '@sink/tracing';
import { expect, test } from 'vitest';
import type { AppendOutcome } from '../commit/appender.ts';
import { binary, type Message, send, startIngest } from '../test/harness.ts';

interface Recorded extends SpanStart {
  readonly ended: Attributes;
  readonly errorType: string | undefined;
}

/** Keeps the spans that are started and ended. */
class Recorder implements Tracing {
  readonly spans: Recorded[] = [];
  /** What is decided where no parent has decided. */
  begins = true;

  samples(parent: RemoteSpan | null): boolean {
    return parent?.sampled ?? this.begins;
  }

  start(span: SpanStart): ReturnType<Tracing['start']> {
    const identity = { traceId: span.parent?.traceId ?? 'e'.repeat(32), spanId: 'f'.repeat(16), state: '' };
    return { identity, end: (ended, errorType) => void this.spans.push({ ...span, ended, errorType }) };
  }
}

const STRUCTURED = { 'Content-Type': 'application/cloudevents+json' };
const BATCHED = { 'Content-Type': 'application/cloudevents-batch+json' };
const PARENT = 'b7ad6b7169203331';
const trace = (n: number): string => String(n).padStart(32, '0a');
const traceparent = (n: number, flags = '01'): string => `00-${trace(n)}-${PARENT}-${flags}`;
const event = (members: object = {}): object => ({ specversion: '1.0', id: '1', source: '/s', type: 't', ...members });

async function spansOf(message: Message, outcome: AppendOutcome = 'stored', begins = true): Promise<Recorded[]> {
  const tracing = new Recorder();
  tracing.begins = begins;
  const { port, appender } = await startIngest({ tracing, config: { maxBodyBytes: 1_000 } });
  appender.outcome = outcome;
  await send(port, message).catch(() => undefined);
  const sampled = appender.spans.filter((span) => span !== null);
  if (appender.lines.length > 0) expect(sampled).toHaveLength(tracing.spans.length);
  return tracing.spans;
}

test.each([
  ['its header', { headers: binary({ traceparent: traceparent(1), 'ce-traceparent': traceparent(2) }) }, 1, [2]],
  [
    'its header, which its event has, too',
    { headers: binary({ traceparent: traceparent(1), 'ce-traceparent': traceparent(1) }) },
    1,
    [],
  ],
  ['an event in binary mode', { headers: binary({ 'ce-traceparent': traceparent(1) }) }, 1, []],
  [
    'an event in structured mode',
    { headers: STRUCTURED, body: JSON.stringify(event({ traceparent: traceparent(1) })) },
    1,
    [],
  ],
  [
    'the first sampled event of a batch',
    {
      headers: BATCHED,
      body: JSON.stringify([2, 1, 3, 3].map((n) => event({ traceparent: traceparent(n, n === 2 ? '00' : '01') }))),
    },
    1,
    [3],
  ],
])('a request continues %s', async (_, message, parent, links) => {
  const [span, ...more] = await spansOf(message);
  expect(more).toEqual([]);
  expect(span?.parent?.traceId).toBe(trace(parent));
  expect(span?.links.map(({ traceId }) => traceId)).toEqual(links.map(trace));
});

test.each([
  ['broken', { headers: binary({ traceparent: 'x', tracestate: 'a=1' }) }],
  ['broken in its event', { headers: binary({ 'ce-traceparent': 'x' }) }],
  ['given twice', { headers: binary({ traceparent: [traceparent(1), traceparent(2)] }) }],
])('a traceparent that is %s is ignored', async (_, message) => {
  expect((await spansOf(message)).map(({ parent }) => parent)).toEqual([null]);
  expect(await spansOf(message, 'stored', false)).toEqual([]);
});

test('what a parent did not sample is not sampled here', async () => {
  expect(await spansOf({ headers: binary({ traceparent: traceparent(1, '00') }) })).toEqual([]);
  expect(await spansOf({ headers: binary({ 'ce-traceparent': traceparent(1, '00') }) })).toEqual([]);
  const both = binary({ traceparent: traceparent(1, '00'), 'ce-traceparent': traceparent(2) });
  expect(await spansOf({ headers: both })).toEqual([]);
});

test('a span has the conventional attributes, and no query', async () => {
  const headers = binary({ Host: 'sink.example:81', 'User-Agent': 'vanus', 'Ce-Subject': 'é' });
  const [span] = await spansOf({ path: '/a/b?token=secret', headers, body: '{}' });
  expect(span).toMatchObject({ name: 'POST', kind: 'server', ended: { 'http.response.status_code': 202 } });
  expect(span?.attributes).toMatchObject({
    'http.request.method': 'POST',
    'url.path': '/a/b',
    'url.scheme': 'http',
    'server.address': 'sink.example',
    'server.port': 81,
    'user_agent.original': 'vanus',
    'network.peer.address': '127.0.0.1',
    'network.protocol.version': '1.1',
    'http.request.body.size': 2,
    'cloudevents.event_id': '1',
    'cloudevents.event_source': '/s',
    'cloudevents.event_type': 't',
    'cloudevents.event_spec_version': '1.0',
  });
  expect(JSON.stringify(span)).not.toContain('secret');
});

test.each([
  ['in_doubt', 503, 'in_doubt', 'in_doubt'],
  ['backlog_full', 503, 'backlog_full', 'backlog_full'],
  ['gone', undefined, 'disconnected', 'disconnected'],
] as const)('a request whose events are %s has a span that says so', async (outcome, status, reason, errorType) => {
  const [span] = await spansOf({ headers: binary() }, outcome);
  expect([span?.ended['http.response.status_code'], span?.ended['sink.refusal.reason'], span?.errorType]).toEqual([
    status,
    reason,
    errorType,
  ]);
});

test('a mistake of the client is no error of the server', async () => {
  const refused = [
    ...(await spansOf({ headers: {} })),
    ...(await spansOf({ headers: STRUCTURED, body: 'x'.repeat(2_000) })),
  ];
  expect(refused.map(({ ended, errorType }) => [ended, errorType])).toEqual([
    [{ 'http.response.status_code': 400, 'sink.refusal.reason': 'content_type' }, undefined],
    [{ 'http.response.status_code': 413, 'sink.refusal.reason': 'body_too_large' }, undefined],
  ]);
});

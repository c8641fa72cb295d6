import { gzipSync } from 'node:zlib';
import { type Evidence, isEvidenceId, parseEvidence, QUARANTINE_ROUTE } from '@sink/domain';
import type { Judged } from '@sink/schemas';
import { describe, expect, test } from 'vitest';
import type { QuarantineReason } from '../metrics.ts';
import { binary, type Ingest, type Message, RawClient, send, startIngest } from '../test/harness.ts';

const STRUCTURED = { 'Content-Type': 'application/cloudevents+json' };
const BATCHED = { 'Content-Type': 'application/cloudevents-batch+json' };
const GZIP = { 'Content-Encoding': 'gzip' };

function event(more = ''): string {
  return `{"specversion":"1.0","id":"1","source":"/s","type":"t"${more}}`;
}

function start(more: NonNullable<Parameters<typeof startIngest>[0]>['config'] = {}): Promise<Ingest> {
  return startIngest({ config: { onInvalid: 'quarantine', ...more } });
}

/** The evidence in the only submission. */
function evidenceIn({ appender: { parts } }: Ingest): Evidence[] {
  expect(parts).toHaveLength(1);
  const kept = parts.flat().filter(({ route }) => route === QUARANTINE_ROUTE);
  for (const { path, dedupe } of kept) expect({ path, dedupe }).toEqual({ path: null, dedupe: false });
  return kept.flatMap(({ lines }) => lines.map(parseEvidence));
}

function quarantined(ingest: Ingest, reason: QuarantineReason): Promise<number> {
  return ingest.metric(`sink_ingest_events_quarantined_total{reason="${reason}"}`);
}

/** A message for each reason, which is answered with 400 or 415 by default. */
const MESSAGES: readonly (readonly [QuarantineReason, Message])[] = [
  ['content_type', { headers: { 'Content-Type': 'application/json' }, body: event() }],
  ['event_format', { headers: { 'Content-Type': 'application/cloudevents+avro' }, body: 'avro' }],
  ['charset', { headers: { 'Content-Type': 'application/cloudevents+json; charset=utf-16' }, body: event() }],
  ['utf8', { headers: STRUCTURED, body: Buffer.from(event(',"subject":"\xe9"'), 'latin1') }],
  ['json', { headers: STRUCTURED, body: '{' }],
  ['json', { headers: BATCHED, body: `[${event()},` }],
  ['surrogate', { headers: STRUCTURED, body: event(',"subject":"\\ud800"') }],
  ['missing_attribute', { headers: { 'Ce-Id': '1', 'Ce-Specversion': '1.0' }, body: 'data' }],
  ['duplicate_attribute', { headers: binary({ 'Ce-X': ['1', '2'] }) }],
  ['attribute_name', { headers: binary({ 'Ce-X_Y': '1' }) }],
  ['attribute_value', { headers: binary({ 'Ce-Time': 'noon' }) }],
  ['specversion', { headers: binary({ 'Ce-Specversion': '2.0' }) }],
  ['data', { headers: STRUCTURED, body: event(',"data":1,"data_base64":""') }],
  ['batch', { headers: BATCHED, body: `[${event().replace('1.0', '0.3')},${event()}]` }],
  ['compressed_data', { headers: { ...BATCHED, ...GZIP }, body: gzipSync(`[${event()}]`).subarray(0, -9) }],
];

describe('what would get a 4xx is kept, and answered with 202', () => {
  test.each(MESSAGES)('%s: %j', async (reason, message) => {
    const rejecting = await startIngest();
    const refused = await send(rejecting.port, message);
    expect([400, 415]).toContain(refused.status);
    expect(await rejecting.metric(`sink_ingest_requests_refused_total{reason="${reason}"}`)).toBe(1);
    expect(rejecting.appender.parts).toEqual([]);

    const ingest = await start();
    const answer = await send(ingest.port, { path: '/in?code=s3cret', ...message });
    expect(answer).toMatchObject({ status: 202, body: '' });
    const [evidence, ...more] = evidenceIn(ingest);
    expect(more).toEqual([]);
    expect(evidence).toMatchObject({ reason, producer: null, method: 'POST', path: '/in', query: ['code'] });
    if (reason !== 'batch') expect(`${evidence?.why}\n`).toBe(refused.body);
    expect(isEvidenceId(evidence?.id ?? '')).toBe(true);
    expect(Date.now() - Date.parse(evidence?.time ?? '')).toBeLessThan(60_000);
    expect(await quarantined(ingest, reason)).toBe(1);
    expect(await ingest.metric('sink_ingest_requests_total{status="202"}')).toBe(1);
    expect(await ingest.metric(`sink_ingest_requests_refused_total{reason="${reason}"}`)).toBe(0);
  });

  test('with the bytes as they were sent, after decompression', async () => {
    const ingest = await start();
    const body = Buffer.from(` {"id": "\xe9"}\n`, 'latin1');
    await send(ingest.port, { headers: { ...STRUCTURED, ...GZIP, 'X-Api-Key': 's' }, body: gzipSync(body) });
    expect(evidenceIn(ingest)).toMatchObject([
      {
        body_base64: body.toString('base64'),
        bytes: body.length,
        index: null,
        headers: [
          { name: 'Content-Type', value: STRUCTURED['Content-Type'] },
          { name: 'Content-Encoding', value: 'gzip' },
          { name: 'Content-Length', value: expect.any(String) as string },
        ],
      },
    ]);
  });

  test('damaged compression: with the bytes as they were sent', async () => {
    const ingest = await start();
    const body = gzipSync(event()).subarray(0, -3);
    await send(ingest.port, { headers: { ...STRUCTURED, ...GZIP }, body });
    expect(evidenceIn(ingest)).toMatchObject([{ reason: 'compressed_data', body_base64: body.toString('base64') }]);
  });
});

test('of a batch, the good events go their way and the bad ones to quarantine, in one submission', async () => {
  const ingest = await start();
  const good = [event(), event(',"data":[1]')];
  const answer = await send(ingest.port, { headers: BATCHED, body: `[${good[0]}, {"id":"x"},1 ,${good[1]}]` });
  expect(answer.status).toBe(202);
  const kept = evidenceIn(ingest);
  expect(kept).toMatchObject([
    { index: 1, body: '{"id":"x"}', reason: 'missing_attribute', why: 'attribute specversion is missing' },
    { index: 2, body: '1', reason: 'json', why: 'a CloudEvent must be a JSON object' },
  ]);
  expect(kept.map(({ id }) => id).sort()).toEqual(kept.map(({ id }) => id));
  expect(ingest.appender.parts[0]?.[0]).toMatchObject({ route: '_default', lines: good, dedupe: true });
  expect(await ingest.metric('sink_ingest_events_accepted_total')).toBe(2);
  expect(await ingest.metric('sink_ingest_events_opaque_total')).toBe(0);
});

test('an event that fails its schema is kept, although live settings change while its schema is fetched', async () => {
  const { promise, resolve } = Promise.withResolvers<Judged>();
  const asked = Promise.withResolvers<undefined>();
  const check = (): Promise<Judged> => {
    asked.resolve(undefined);
    return promise;
  };
  const config = { onInvalid: 'quarantine', lenientContentType: true } as const;
  const ingest = await startIngest({ config, validation: { isOn: true, check } });
  const body = `[${event()},${event(',"data":7')}]`;
  const answer = send(ingest.port, { headers: { 'Content-Type': 'application/json' }, body });
  await asked.promise;
  ingest.change({ lenientContentType: false });
  resolve({ kind: 'invalid', events: [{ index: 1, message: 'must be object' }] });
  expect((await answer).status).toBe(202);
  expect(evidenceIn(ingest)).toMatchObject([{ index: 1, body: event(',"data":7'), reason: 'schema' }]);
  expect(ingest.appender.parts[0]?.[0]).toMatchObject({ route: '_default', lines: [event()] });
});

test('nothing counts as kept before it is stored; 503 as for any other event', async () => {
  const ingest = await start();
  ingest.appender.outcome = 'redis_away';
  expect((await send(ingest.port, { headers: STRUCTURED, body: '{' })).status).toBe(503);
  expect(await quarantined(ingest, 'json')).toBe(0);
});

describe('above a limit the whole request gets its 4xx, and nothing of it is stored', () => {
  const limited = (ingest: Ingest, limit: string): Promise<number> =>
    ingest.metric(`sink_ingest_quarantine_limited_total{limit="${limit}"}`);

  test('quarantine_max_per_second: so many at once, and later again', async () => {
    const ingest = await start({ quarantineMaxPerSecond: 2 });
    const batch = (bad: number): Message => ({
      headers: BATCHED,
      body: `[${[event(), ...Array<string>(bad).fill('1')].join()}]`,
    });
    const first = await send(ingest.port, batch(3));
    expect(first).toMatchObject({ status: 400, body: 'batch element 1: a CloudEvent must be a JSON object\n' });
    expect(ingest.appender.parts).toEqual([]);
    expect(await limited(ingest, 'per_second')).toBe(1);
    expect((await send(ingest.port, batch(2))).status).toBe(202);
    expect((await send(ingest.port, { headers: STRUCTURED, body: '{' })).status).toBe(400);
    await expect.poll(async () => (await send(ingest.port, batch(2))).status, { timeout: 5_000 }).toBe(202);
  });

  test('quarantine_max_bytes: of the line', async () => {
    const ingest = await start({ quarantineMaxBytes: 2000 });
    const bad = (length: number): Message => ({ headers: BATCHED, body: `[${event()},"${'x'.repeat(length)}"]` });
    expect((await send(ingest.port, bad(1999))).status).toBe(400);
    expect((await send(ingest.port, bad(1990))).status).toBe(400);
    expect(ingest.appender.parts).toEqual([]);
    expect(await limited(ingest, 'bytes')).toBe(2);
    expect((await send(ingest.port, bad(1000))).status).toBe(202);
    expect(Buffer.byteLength(ingest.appender.lines[1] ?? '')).toBeLessThanOrEqual(2000);
  });
});

describe('what is no evidence is answered as without quarantine', () => {
  test.each<[number, Message]>([
    [405, { method: 'PATCH', headers: binary() }],
    [413, { headers: STRUCTURED, body: 'x'.repeat(3000) }],
    [415, { headers: { ...STRUCTURED, 'Content-Encoding': 'compress' }, body: 'x' }],
  ])('%i', async (status, message) => {
    const ingest = await start({ maxBodyBytes: 2000 });
    expect((await send(ingest.port, message)).status).toBe(status);
    expect(ingest.appender.parts).toEqual([]);
  });

  test('a client that goes away in its body', async () => {
    const ingest = await start();
    const client = new RawClient(ingest.port);
    client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{"id"');
    client.socket.end();
    await client.closed;
    await expect.poll(() => ingest.metric('sink_ingest_requests_refused_total{reason="disconnected"}')).toBe(1);
    expect(ingest.appender.parts).toEqual([]);
  });

  test('a batch with nothing in it', async () => {
    const ingest = await start();
    expect((await send(ingest.port, { headers: BATCHED, body: '[]' })).status).toBe(202);
    expect(ingest.appender.parts).toEqual([]);
  });
});

test('the setting is read at each request', async () => {
  const ingest = await start();
  ingest.change({ onInvalid: 'reject' });
  expect((await send(ingest.port, { headers: STRUCTURED, body: '{' })).status).toBe(400);
  ingest.change({ onInvalid: 'quarantine' });
  expect((await send(ingest.port, { headers: STRUCTURED, body: '{' })).status).toBe(202);
});

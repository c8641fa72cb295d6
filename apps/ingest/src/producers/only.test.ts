import { expect, test } from 'vitest';
import { binary, send, startIngest } from '../test/harness.ts';
import { producersOf } from '../test/producers-world.ts';
import { Pattern } from './only.ts';

test('a star is any run of characters; a pattern matches the whole text, in the case that it has', () => {
  for (const [pattern, matching, others] of [
    [
      'com.example.*',
      ['com.example.', 'com.example.a.b'],
      ['com.example', 'xcom.example.a', 'com-example.a', 'Com.example.a'],
    ],
    ['/billing/*', ['/billing/', '/billing/a/b'], ['/billing', '/x/billing/a']],
    ['a', ['a'], ['', 'aa', 'A']],
    ['*', ['', 'a', 'é\n'], []],
    ['*a*b*', ['ab', 'xaxbx', 'ab*'], ['ba', 'a', 'b', '']],
    ['a*a', ['aa', 'aba'], ['a']],
    ['*aab*', ['aaab', 'xaabx'], ['aa', 'ab']],
    ['a*bc*c', ['abcc', 'abxbcxc'], ['abc']],
    ['a**b', ['ab', 'axb'], ['a']],
    ['.*', ['.', '.a'], ['a']],
  ] as const) {
    for (const text of matching) expect(new Pattern(pattern).matches(text), `${pattern} ${text}`).toBe(true);
    for (const text of others) expect(new Pattern(pattern).matches(text), `${pattern} ${text}`).toBe(false);
  }
});

test('matching a long text that almost matches takes time in proportion to it', () => {
  const part = `${'a'.repeat(120)}b`;
  const pattern = new Pattern(`*${part}*${part}*`);
  const timeOf = (length: number): number => {
    const text = 'a'.repeat(length);
    const startMs = performance.now();
    expect(pattern.matches(text)).toBe(false);
    return performance.now() - startMs;
  };
  timeOf(1_000_000);
  // 120 times as long if each place were tried anew: minutes.
  expect(timeOf(16_000_000)).toBeLessThan(5_000);
});

const STRUCTURED = { 'Content-Type': 'application/cloudevents+json', Authorization: 'Bearer t' };
const BATCHED = { 'Content-Type': 'application/cloudevents-batch+json', Authorization: 'Bearer t' };
const event = (type: string, source: string): string => JSON.stringify({ specversion: '1.0', id: '1', source, type });

test('a known producer that may not send this type or source gets 403 for the whole request, in every mode', async () => {
  const only = { types: ['com.example.*'], sources: ['/billing/*', '/orders'] };
  const ingest = await startIngest({ producers: producersOf([{ name: 'p', bearer: { tokens: ['t'] }, only }]) });
  const inBinary = (type: string, source: string) =>
    send(ingest.port, { headers: binary({ Authorization: 'Bearer t', 'Ce-Type': type, 'Ce-Source': source }) });
  const structured = (type: string, source: string) =>
    send(ingest.port, { headers: STRUCTURED, body: event(type, source) });
  for (const mode of [inBinary, structured]) {
    expect(await mode('com.example.a', '/billing/1')).toMatchObject({ status: 202 });
    expect(await mode('com.example.a', '/orders')).toMatchObject({ status: 202 });
    expect(await mode('com.other', '/orders')).toMatchObject({
      status: 403,
      body: 'the producer p may not send type "com.other"\n',
    });
    expect(await mode('com.example.a', '/orders/')).toMatchObject({
      status: 403,
      body: 'the producer p may not send source "/orders/"\n',
    });
  }
  const stored = ingest.appender.lines.length;
  const [good, bad] = [event('com.example.a', '/orders'), event('com.example.a', '/other')];
  expect(await send(ingest.port, { headers: BATCHED, body: `[${good},${good},${bad}]` })).toMatchObject({
    status: 403,
    body: 'the producer p may not send source "/other" of batch element 2\n',
  });
  expect(ingest.appender.lines).toHaveLength(stored);
  expect(await send(ingest.port, { headers: BATCHED, body: `[${good},${good}]` })).toMatchObject({ status: 202 });
  const label = '{producer="p",reason="not_allowed"}';
  expect(await ingest.metric(`sink_ingest_producer_requests_refused_total${label}`)).toBe(5);
  expect(await ingest.metric(`sink_ingest_producer_events_refused_total${label}`)).toBe(7);
  // What is no event at all is a 400 for this producer too.
  expect(await send(ingest.port, { headers: STRUCTURED, body: '{' })).toMatchObject({ status: 400 });
});

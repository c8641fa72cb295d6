import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { decodeMessage } from './decode-message.ts';
import { DEFAULT_DECODING } from './decoding.ts';
import { MessageError } from './message-error.ts';
import { splitMessage } from './split-message.ts';

const BATCHED = ['Content-Type', 'application/cloudevents-batch+json'];
const STRUCTURED = ['Content-Type', 'application/cloudevents+json'];

function event(more = ''): string {
  return `{"specversion":"1.0","id":"1","source":"/s","type":"t"${more}}`;
}

/** Bytes, line and error of each part, as texts. */
function split(headers: string[], body: string | Buffer, refusedMax?: number): unknown {
  const parts = splitMessage(headers, Buffer.from(body), DEFAULT_DECODING, refusedMax);
  return parts?.map(({ index, bytes, line, error }) => [
    index,
    bytes.toString('latin1'),
    line ?? `${error?.code}: ${error?.message}`,
  ]);
}

describe('a batch is split', () => {
  it('into its events and what is in the place of one, each with its own bytes', () => {
    const spaced = '{ "specversion": "1.0",\n"id":"2","source":"/s","type":"t" }';
    const body = `[ ${event()} ,{"id":"é"}, 1,${spaced}\t, "a]b" , [{"x":[]}],null ]\n`;
    expect(split(BATCHED, body)).toEqual([
      [0, event(), event()],
      [1, Buffer.from('{"id":"é"}').toString('latin1'), 'missing_attribute: attribute specversion is missing'],
      [2, '1', 'json: a CloudEvent must be a JSON object'],
      [3, spaced, '{"specversion":"1.0","id":"2","source":"/s","type":"t"}'],
      [4, '"a]b"', 'json: a CloudEvent must be a JSON object'],
      [5, '[{"x":[]}]', 'json: a CloudEvent must be a JSON object'],
      [6, 'null', 'json: a CloudEvent must be a JSON object'],
    ]);
  });

  it('although an element is not UTF-8', () => {
    const body = Buffer.concat([
      Buffer.from(`\ufeff[${event(',"subject":"é"')},`),
      Buffer.from(event(',"subject":"\xe9"'), 'latin1'),
      Buffer.from(`,${event()}]`),
    ]);
    expect(split(BATCHED, body)).toMatchObject([
      [0, expect.anything(), event(',"subject":"é"')],
      [1, event(',"subject":"\xe9"'), 'utf8: the event is not valid UTF-8'],
      [2, event(), event()],
    ]);
  });

  it('that is taken without its Content-Type', () => {
    const lenient = { ...DEFAULT_DECODING, lenientContentType: true };
    const parts = splitMessage(['Content-Type', 'application/json'], Buffer.from(`[1,${event()}]`), lenient);
    expect(parts?.map(({ index, line }) => [index, line])).toEqual([
      [0, null],
      [1, event()],
    ]);
  });

  it('whose events have different versions: the first good one decides', () => {
    const old = event().replace('1.0', '0.3');
    expect(split(BATCHED, `[{},${old},${event()},${old}]`)).toMatchObject([
      [0, '{}', expect.stringContaining('missing')],
      [1, old, old],
      [2, event(), 'batch: specversion must be the same in all events of a batch'],
      [3, old, old],
    ]);
  });

  it('as far as fewer events are refused than allowed', () => {
    expect(split(BATCHED, `[1,${event()},2]`, 2)).toHaveLength(3);
    expect(split(BATCHED, `[1,${event()},2]`, 1)).toBeUndefined();
    expect(split(BATCHED, '[]', 0)).toEqual([]);
    expect(split(STRUCTURED, '{}', 0)).toBeUndefined();
  });

  it('and not read further than that: a body may have millions of elements', () => {
    const body = Buffer.from(`[${'0,'.repeat(10_000)}0]`);
    const views = vi.spyOn(body, 'subarray');
    expect(splitMessage(BATCHED, body, DEFAULT_DECODING, 2)).toBeNull();
    expect(views.mock.calls.length).toBeLessThan(20);
  });

  it('and traceparents are told with the place of their line', () => {
    const told: unknown[] = [];
    const decoding = { ...DEFAULT_DECODING, traceparent: (...found: unknown[]) => told.push(found) };
    const traced = (name: string, more: string): string => event(`,"traceparent":"${name}"${more}`);
    const body = `[1,${traced('a', '')},{},${traced('b', ' ')}]`;
    splitMessage(BATCHED, Buffer.from(body), decoding);
    expect(told).toEqual([
      ['a', 0],
      ['b', 1],
    ]);
  });
});

describe('a message is one part', () => {
  it.each([
    ['a batch that is no JSON', BATCHED, `[${event()},{]`, 'json: the batch is not valid JSON'],
    ['a batch that is no array', BATCHED, event(), 'json: a batch must be a JSON array'],
    ['an event in structured mode', STRUCTURED, '[1]', 'json: a CloudEvent must be a JSON object'],
    ['an event in binary mode', ['Ce-Id', '1'], '[1]', 'missing_attribute: attribute specversion is missing'],
    ['another format', ['Content-Type', 'application/cloudevents+avro'], '[1]', 'event_format: Content-Type'],
    ['two types', [...BATCHED, ...BATCHED], '[1]', 'content_type: header Content-Type is given twice'],
  ])('if it is %s', (_what, headers, body, says) => {
    expect(split(headers, body)).toEqual([[null, body, expect.stringContaining(says)]]);
  });

  it('with its line, if nothing is wrong with it', () => {
    expect(split(STRUCTURED, event())).toEqual([[null, event(), event()]]);
  });
});

it('agrees with decodeMessage: a batch has a refused part exactly if it is refused, and else the same lines', () => {
  const element = fc.oneof(
    fc.constantFrom(event(), event(',"x":"é"'), event(' , "data": [1, "]"]'), event().replace('1.0', '0.3')),
    fc.constantFrom('1', '{}', 'null', '"\\""', event(',"X":1'), event(',"id":"2"'), event(',"data_base64":"?"')),
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
  );
  const blank = fc.constantFrom('', ' ', '\n\t');
  fc.assert(
    fc.property(fc.array(fc.tuple(blank, element, blank)), blank, (elements, around) => {
      const body = Buffer.from(`${around}[${elements.map((three) => three.join('')).join()}]${around}`);
      const parts = splitMessage(BATCHED, body) ?? [];
      expect(parts.map(({ bytes }) => bytes.toString())).toEqual(elements.map(([, text]) => text));
      let lines: string[] | null = null;
      try {
        lines = decodeMessage(BATCHED, body);
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
      }
      if (lines === null) expect(parts.some(({ error }) => error !== null)).toBe(true);
      else expect(parts.map(({ line }) => line)).toEqual(lines);
    }),
    { numRuns: 2_000 },
  );
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasLoneSurrogate } from './json.ts';
import { decode, type Outcome, REFUSE_MALFORMED, REQUIRED_HEADERS, REQUIRED_LINE as LINE } from './messages.fixture.ts';

const JSON_TYPE = ['Content-Type', 'application/json'] as const;
const STRUCTURED = [['Content-Type', 'application/cloudevents+json']] as const;
const BATCH = [['Content-Type', 'application/cloudevents-batch+json']] as const;
type Headers = readonly (readonly [string, string])[];

/** What comes of a message, and how many of its events are counted as opaque. */
function counted(headers: Headers, body: string | Buffer): { outcome: Outcome; opaque: number } {
  let opaque = 0;
  const outcome = decode(headers, body, { opaque: () => void (opaque += 1) });
  return { outcome, opaque };
}

function base64(body: string | Buffer): string {
  return Buffer.from(body).toString('base64');
}

describe('binary mode: data that is declared as JSON and is not', () => {
  it.each<[string, string | Buffer]>([
    ['text', 'plain'],
    ['bytes', Buffer.from([0, 0xff, 0x10])],
    ['JSON with a mistake', '{"a":}'],
    ['two values', '1\n2'],
    ['white space alone', ' '],
    ['a byte order mark alone', '\ufeff'],
    ['UTF-16 with its byte order mark', Buffer.from('\ufeff{}', 'utf16le')],
    ['Latin-1', Buffer.from('"\xe9"', 'latin1')],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['an unpaired surrogate escape', '{ "title" : "Hi \\ud83d" }\n'],
    ['the wrong half first', '"\\udc00\\ud800"'],
    ['an escaped half before a raw pair', '"\\ud83d😀"'],
  ])('%s is kept as exactly its bytes', (_name, body) => {
    const line = `${LINE},"datacontenttype":"application/json","data_base64":"${base64(body)}"}`;
    expect(counted([...REQUIRED_HEADERS, JSON_TYPE], body)).toEqual({ outcome: [line], opaque: 1 });
    expect(decode([...REQUIRED_HEADERS, JSON_TYPE], body, REFUSE_MALFORMED)).toMatchObject({ status: 400 });
  });

  it('keeps the type that was sent, and the way of 0.3', () => {
    const type = ['Content-Type', 'application/problem+json; charset=utf-8'] as const;
    expect(counted([['ce-specversion', '0.3'], ...REQUIRED_HEADERS.slice(1), type], 'plain')).toEqual({
      outcome: [
        `${LINE.replace('1.0', '0.3')},"datacontenttype":"${type[1]}","datacontentencoding":"base64","data":"cGxhaW4="}`,
      ],
      opaque: 1,
    });
  });

  it('without a Content-Type nothing is declared, and only JSON with an unpaired surrogate is counted', () => {
    expect(counted(REQUIRED_HEADERS, 'plain')).toEqual({ outcome: [`${LINE},"data_base64":"cGxhaW4="}`], opaque: 0 });
    const body = '{"title":"Hi \\ud83d"}';
    expect(counted(REQUIRED_HEADERS, body)).toEqual({
      outcome: [`${LINE},"datacontenttype":"application/json","data_base64":"${base64(body)}"}`],
      opaque: 1,
    });
  });

  it.each(['{"a":"\\ud83d\\ude00 \\\\ud83d"}', '', 'null'])('%j is JSON, or no data', (body) => {
    expect(counted([...REQUIRED_HEADERS, JSON_TYPE], body)).toMatchObject({ opaque: 0 });
  });
});

describe('structured mode: data with an unpaired surrogate', () => {
  it.each<[string, string, string, string]>([
    ['without a type', '"data":$', '{"a":"\\ud83d"}', '"datacontenttype":"application/json","data_base64":"$"'],
    [
      'with a JSON type, and members around it',
      '"datacontenttype":"a/b+json","data":$,"ext":1',
      '["\\ud83d"]',
      '"datacontenttype":"a/b+json","data_base64":"$","ext":1',
    ],
    [
      'with members that are null',
      '"datacontenttype":null,"data_base64":null,"data":$,"subject":null',
      '{"a":"\\ud83d"}',
      '"datacontenttype":"application/json","data_base64":"$","subject":null',
    ],
    [
      'with white space, which belongs to its bytes where it is inside',
      ' "data" :  $ , "ext" : "x  y" ',
      '{ "a" : "\\ud83d" }',
      '"datacontenttype":"application/json","data_base64":"$","ext":"x  y"',
    ],
    [
      'under an escaped name',
      '"d\\u0061ta":$',
      '{"\\udbff":"}"}',
      '"datacontenttype":"application/json","data_base64":"$"',
    ],
    ['as a string', '"data":$', '"\\udc00"', '"datacontenttype":"application/json","data_base64":"$"'],
  ])('%s is kept as exactly its bytes', (_name, members, data, kept) => {
    const line = `${LINE},${kept.replace('$', base64(data))}}`;
    const event = `${LINE},${members.replace('$', data)}}`;
    expect(counted(STRUCTURED, event)).toEqual({ outcome: [line], opaque: 1 });
    expect(counted(BATCH, `[ ${event} , ${LINE}}]`)).toEqual({ outcome: [line, `${LINE}}`], opaque: 1 });
    expect(decode(STRUCTURED, event, REFUSE_MALFORMED)).toMatchObject({ status: 400, code: 'surrogate' });
    expect(decode(BATCH, `[${event}]`, REFUSE_MALFORMED)).toMatchObject({ status: 400, code: 'surrogate' });
  });

  it('in the way of 0.3', () => {
    const legacy = LINE.replace('1.0', '0.3');
    const event = `${legacy},"datacontentencoding":null,"data":"\\ud83d"}`;
    const line = `${legacy},"datacontenttype":"application/json","datacontentencoding":"base64","data":"${base64('"\\ud83d"')}"}`;
    expect(counted(STRUCTURED, event)).toEqual({ outcome: [line], opaque: 1 });
  });

  it.each<[string, string]>([
    ['in an attribute', '"ext":"\\ud83d"'],
    ['in an attribute beside such data', '"ext":"\\ud83d","data":"\\ud83d"'],
    ['in a name', '"e\\ud83d":"x"'],
    ['in data of another type', '"datacontenttype":"text/plain","data":"\\ud83d"'],
    ['in data in another charset', '"datacontenttype":"application/json; charset=utf-16","data":"\\ud83d"'],
  ])('%s is refused', (_name, members) => {
    expect(decode(STRUCTURED, `${LINE},${members}}`)).toMatchObject({ status: 400, code: 'surrogate' });
    expect(decode(BATCH, `[${LINE},${members}}]`)).toMatchObject({ status: 400, code: 'surrogate' });
  });

  it('in a map of 0.3 is refused', () => {
    const event = `${LINE.replace('1.0', '0.3')},"ext":{"a":"\\ud83d"}}`;
    expect(decode(STRUCTURED, event)).toMatchObject({ status: 400, code: 'surrogate' });
  });

  it('an envelope that is no JSON is refused', () => {
    for (const body of ['plain', '{"a":}', Buffer.from(`${LINE},"data":"\xe9"}`, 'latin1')]) {
      expect(decode(STRUCTURED, body)).toMatchObject({ status: 400 });
    }
  });
});

describe('no line has an unpaired surrogate, and no data is lost', () => {
  const halves = fc.constantFrom('\\ud83d', '\\ude00', '\\\\', 'x', '😀', '\\"');
  const json = fc.array(halves, { maxLength: 6 }).map((parts) => `{"a":["${parts.join('')}"]}`);

  it('in any mode', () => {
    fc.assert(
      fc.property(json, fc.constantFrom('binary', 'structured'), (data, mode) => {
        const isBinary = mode === 'binary';
        const outcome = isBinary
          ? decode([...REQUIRED_HEADERS, JSON_TYPE], data)
          : decode(STRUCTURED, `${LINE},"data":${data}}`);
        if (!('map' in outcome)) throw new Error(outcome.message);
        const [line = ''] = outcome;
        expect(hasLoneSurrogate(line)).toBe(false);
        const event = JSON.parse(line) as { data?: unknown; data_base64?: string };
        if (hasLoneSurrogate(data)) expect(Buffer.from(event.data_base64 ?? '', 'base64').toString()).toBe(data);
        else expect(line).toContain(`"data":${data}`);
      }),
    );
  });
});

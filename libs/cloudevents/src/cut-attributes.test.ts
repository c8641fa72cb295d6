import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attributeCutter } from './cut-attributes.ts';
import { decodeMessage } from './decode-message.ts';
import { parsedDataOf } from './data-of.ts';
import { isTimestamp, timestampMs } from './timestamp.ts';

const HEADERS = ['Content-Type', 'application/cloudevents+json'];
const EVENT = '"specversion":"1.0","id":"1","source":"/s"';

const cut = attributeCutter(['type', 'subject', 'tenant', 'time']);

function cutOf(members: string): unknown {
  const [line = ''] = decodeMessage(HEADERS, Buffer.from(`{${EVENT},${members}}`));
  return cut(line);
}

test.each([
  ['"type":"t"', ['t']],
  ['"type":"t","tenant":"a"', ['t', undefined, 'a']],
  ['"tenant":"a" , "type" : "t"', ['t', undefined, 'a']],
  ['"type":"t","tenant":7', ['t', undefined, 7]],
  ['"type":"t","tenant":-7,"subject":"s"', ['t', 's', -7]],
  ['"type":"t","tenant":true', ['t', undefined, true]],
  ['"type":"t","tenant":false,"x":1', ['t', undefined, false]],
  ['"type":"t","tenant":null', ['t']],
  ['"type":"t","tenant":""', ['t', undefined, '']],
  ['"type":"q\\"\\\\é\\u00e9\\ud83d\\ude00"', ['q"\\éé😀']],
  ['"ty\\u0070e":"t"', ['t']],
  ['"\\u0074ype":"t"', ['t']],
  ['"type":"t","types":"u","atype":"v"', ['t']],
  ['"data":{"type":"inside","tenant":"inside"},"type":"t"', ['t']],
  ['"data":"\\"type\\":\\"inside\\"","type":"t"', ['t']],
  ['"data":["}","]","\\\\",{"a":"\\""}],"type":"t","subject":"s"', ['t', 's']],
  ['"data_base64":"dHlwZQ==","type":"t"', ['t']],
  ['"type":"t","data":{"\\ud800":1},"tenant":"a"', ['t', undefined, 'a']],
])('what is cut out of an event with %s', (members, expected) => {
  expect(cutOf(members)).toEqual([...expected, undefined, undefined, undefined, undefined].slice(0, 4));
});

test('a map, which CloudEvents 0.3 knows, is no value', () => {
  const event = '{"specversion":"0.3","id":"1","source":"/s","type":"t","tenant":{"type":"x"},"subject":"s"}';
  const [line = ''] = decodeMessage(HEADERS, Buffer.from(event));
  expect(cut(line)).toEqual(['t', 's', undefined, undefined]);
});

test('it is what JSON.parse finds, whatever the order and the text', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((given) => !/\p{Cc}|\p{Cn}/u.test(given));
  const event = fc.record(
    {
      ...{ specversion: fc.constant('1.0'), id: text, source: text, type: text },
      ...{ subject: text, tenant: fc.oneof(text, fc.integer({ min: -9, max: 9 }), fc.boolean()), data: fc.jsonValue() },
    },
    { requiredKeys: ['specversion', 'id', 'source', 'type'] },
  );
  fc.assert(
    fc.property(event, fc.array(fc.nat(9)), (given, order) => {
      const entries = Object.entries(given).sort((_, [other]) => (order[other.length % order.length] ?? 0) - 4);
      const [line = ''] = decodeMessage(HEADERS, Buffer.from(JSON.stringify(Object.fromEntries(entries))));
      expect(cut(line)).toEqual([given.type, given.subject, given.tenant, undefined]);
    }),
  );
});

test.each([
  ['"data":{"a":[1]}', { a: [1] }],
  ['"data":null', null],
  ['"x":"y"', undefined],
  ['"data":"t","datacontenttype":"text/plain"', undefined],
  [`"data_base64":"${Buffer.from('{"b":1}').toString('base64')}"`, { b: 1 }],
  [`"data_base64":"${Buffer.from('{"b":').toString('base64')}"`, undefined],
  ['"data_base64":"/w=="', undefined],
])('the parsed data of an event with %s', (members, data) => {
  const [line = ''] = decodeMessage(HEADERS, Buffer.from(`{${EVENT},"type":"t",${members}}`));
  expect(parsedDataOf(line)).toEqual(data);
});

test.each([
  ['2026-11-29T07:08:09Z', '2026-11-29T07:08:09.000Z'],
  ['2026-11-29t07:08:09.5z', '2026-11-29T07:08:09.500Z'],
  ['2026-11-29T07:08:09.123999999+05:30', '2026-11-29T01:38:09.123Z'],
  ['2026-11-29T23:08:09.12-23:59', '2026-11-30T23:07:09.120Z'],
  ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.999Z'],
  ['2017-01-01T05:29:60.5+05:30', '2016-12-31T23:59:59.999Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ['0000-02-29T00:00:00Z', '0000-02-29T00:00:00.000Z'],
  ['0099-12-31T00:00:00Z', '0099-12-31T00:00:00.000Z'],
  ['0000-01-01T00:00:00+23:59', '-000001-12-31T00:01:00.000Z'],
  ['9999-12-31T23:59:59.999-23:59', '+010000-01-01T23:58:59.999Z'],
])('the time %s is %s', (value, expected) => {
  expect(isTimestamp(value)).toBe(true);
  expect(new Date(timestampMs(value)).toISOString()).toBe(expected);
});

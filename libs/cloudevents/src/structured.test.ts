import { describe, expect, it } from 'vitest';
import {
  decode,
  decodeBatchText,
  decodeStructuredText,
  REFUSE_MALFORMED,
  REQUIRED_LINE as LINE,
} from './messages.fixture.ts';

/** An event with these further members. */
function event(members: string): string {
  return `${LINE}${members === '' ? '' : ','}${members}}`;
}

describe('structured mode keeps valid events as they are', () => {
  it.each([
    ['the required attributes', ''],
    [
      'all core attributes',
      '"datacontenttype":"text/plain","dataschema":"https://e.x/s","subject":"tests","time":"2018-04-05T17:31:00Z"',
    ],
    [
      'optional attributes that are null',
      '"datacontenttype":null,"dataschema":null,"subject":null,"time":null,"ext":null',
    ],
    [
      'extensions of every type',
      '"extinteger":10,"extboolean":true,"extstring":"","exturiref":"//a/b","extbinary":"TWE="',
    ],
    ['the smallest and the largest integer', '"a":-2147483648,"b":2147483647,"c":-0'],
    ['names that are numbers', '"2":"x","1":"y"'],
    ['names that objects have by themselves', '"constructor":"x","tostring":"x"'],
    ['data null', '"data":null'],
    ['data zero', '"data":0'],
    ['data false', '"data":false'],
    ['data that is an empty string', '"data":""'],
    ['data with its digits', '"data":1.0e+2'],
    ['data under an escaped name', '"d\\u0061ta":1.50'],
    ['big integers in data', '"data":{"n":123456789012345678901234567890,"f":0.10}'],
    ['nested duplicates and __proto__ in data', '"data":{"__proto__":1,"a":1,"a":{"id":2,"id":3}}'],
    ['escapes as they were written', '"subject":"\\u0041\\/\\ud83d\\ude00"'],
    ['Base64 data', '"data_base64":"AAE="'],
    ['Base64 data of no bytes', '"data_base64":""'],
    ['Base64 data with escaped slashes', '"data_base64":"\\/\\/\\/\\/"'],
    ['data beside a data_base64 that is null', '"data":1,"data_base64":null'],
    ['data that is no string with a text type', '"datacontenttype":"text/plain","data":{"a":1}'],
    ['braces and quotes in strings', '"subject":"}]{[\\"\\\\","data":["}","\\\\"]'],
    ['line separators in strings', '"subject":"a\u2028b"'],
    ['time as it was written', '"time":"2018-04-05t18:31:00.123456789012+01:00"'],
    ['a source that is no URI by the letter', '"dataschema":"a b ü"'],
    ['datacontentencoding as an extension', '"datacontentencoding":"gzip"'],
    ['datacontentencoding that is null', '"datacontentencoding":null'],
  ])('%s', (_name, members) => {
    expect(decodeStructuredText(event(members))).toEqual([event(members)]);
  });

  it('takes whitespace outside of strings away', () => {
    const pretty = `\ufeff\r\n {\n\t"specversion" : "1.0" , "id":"a  b",\n"source":"/s" ,"type":"t","data" : [ 1 , { } , " \\n " ] }\n`;
    expect(decodeStructuredText(pretty)).toEqual([
      '{"specversion":"1.0","id":"a  b","source":"/s","type":"t","data":[1,{}," \\n "]}',
    ]);
  });

  it('ignores headers of binary mode, whatever they hold', () => {
    const headers = [
      ['Content-Type', 'application/cloudevents+json'],
      ['ce-id', '\x01'],
      ['ce-id', '2'],
      ['ce-a-b', ''],
    ] as const;
    expect(decode(headers, event(''))).toEqual([event('')]);
  });

  it('is not exhausted by deep nesting', () => {
    const deep = `"data":${'[{"a":'.repeat(200_000)}1${'}]'.repeat(200_000)}`;
    expect(decodeStructuredText(event(deep))).toEqual([event(deep)]);
  });
});

describe('structured mode refuses', () => {
  it.each(['specversion', 'id', 'source', 'type'])('an event without %s', (name) => {
    const all: Record<string, unknown> = { specversion: '1.0', id: '1', source: '/s', type: 't' };
    const outcome = { status: 400, code: 'missing_attribute', message: `attribute ${name} is missing` };
    expect(decodeStructuredText(JSON.stringify({ ...all, [name]: undefined }))).toEqual(outcome);
    expect(decodeStructuredText(JSON.stringify({ ...all, [name]: null }))).toEqual(outcome);
    for (const bad of ['', 25, true, { x: 1 }, ['1.0']]) {
      const code = name === 'specversion' ? 'specversion' : 'attribute_value';
      expect(decodeStructuredText(JSON.stringify({ ...all, [name]: bad }))).toMatchObject({ status: 400, code });
    }
  });

  it.each([
    ['a time that is none', '"time":"2018-04-05T18:31Z"', 'attribute_value', 'time'],
    ['a time that is a number', '"time":1', 'attribute_value', 'time'],
    ['an empty time', '"time":""', 'attribute_value', 'time'],
    ['an empty subject', '"subject":""', 'attribute_value', 'subject'],
    ['a subject that is a number', '"subject":1', 'attribute_value', 'subject'],
    ['an empty dataschema', '"dataschema":""', 'attribute_value', 'dataschema'],
    ['a dataschema that is an object', '"dataschema":{}', 'attribute_value', 'dataschema'],
    ['an empty datacontenttype', '"datacontenttype":""', 'content_type', 'datacontenttype'],
    ['a datacontenttype that is no media type', '"datacontenttype":"xyz"', 'content_type', 'datacontenttype'],
    ['a datacontenttype that is a number', '"datacontenttype":1', 'attribute_value', 'datacontenttype'],
    ['a name with capitals', '"MyExt":"x"', 'attribute_name', 'MyExt'],
    ['a name with a dot', '"my.ext":1', 'attribute_name', 'my.ext'],
    ['a name with a letter beyond a-z', '"ä":1', 'attribute_name', 'ä'],
    ['an empty name', '"":"x"', 'attribute_name', '""'],
    ['a bad name even if it is null', '"my_ext":null', 'attribute_name', 'my_ext'],
    ['__proto__ as a name', '"__proto__":"x"', 'attribute_name', '__proto__'],
    ['an extension that is an object', '"ext":{}', 'attribute_value', 'ext'],
    ['an extension that is an array', '"ext":[]', 'attribute_value', 'ext'],
    ['a fraction', '"ext":1.5', 'attribute_value', 'ext'],
    ['an integer with a fraction', '"ext":1.0', 'attribute_value', 'ext'],
    ['an integer with an exponent', '"ext":1e2', 'attribute_value', 'ext'],
    ['a negative integer with an exponent', '"ext" : -1E0', 'attribute_value', 'ext'],
    ['an integer with a fraction after data with one', '"data":1.5,"ext":2.0', 'attribute_value', 'ext'],
    ['an integer with a fraction before data', '"ext":2.0,"data":{"a":1.5}', 'attribute_value', 'ext'],
    ['an integer with a fraction under an escaped name', '"ex\\u0074":2.0', 'attribute_value', 'ext'],
    ['an integer of more than 32 bits', '"ext":2147483648', 'attribute_value', 'ext'],
    ['a negative integer of more than 32 bits', '"ext":-2147483649', 'attribute_value', 'ext'],
    ['a control character', '"ext":"a\\nb"', 'attribute_value', 'ext'],
    ['a raw C1 control character', '"ext":"\u0085"', 'attribute_value', 'ext'],
    ['a noncharacter', '"ext":"\ufdd0"', 'attribute_value', 'ext'],
    ['a control character in a core attribute', '"subject":"\\u0000"', 'attribute_value', 'subject'],
    ['an unpaired surrogate in an attribute', '"ext":"\\ud800"', 'surrogate', 'surrogate'],
    ['an unpaired surrogate in data', '"data":["\\udfff"]', 'surrogate', 'surrogate'],
    ['an unpaired surrogate in a name in data', '"data":{"\\uDBFFx":1}', 'surrogate', 'surrogate'],
    ['an attribute given twice', '"id":"1"', 'duplicate_attribute', '"id"'],
    ['an attribute given twice, once escaped', '"\\u0069d":"1"', 'duplicate_attribute', '"id"'],
    ['an attribute given twice, both null', '"a":null,"a":null', 'duplicate_attribute', '"a"'],
    ['data given twice', '"data":{"a":[{}]},"data":1', 'duplicate_attribute', '"data"'],
    ['data and data_base64', '"data":"x","data_base64":"AAE="', 'data', 'data_base64'],
    ['data null and data_base64', '"data_base64":"AAE=","data":null', 'data', 'data_base64'],
    ['data_base64 that is no string', '"data_base64":1', 'data', 'data_base64'],
    ['data_base64 without padding', '"data_base64":"AAE"', 'data', 'data_base64'],
    ['data_base64 with a line feed', '"data_base64":"AAE\\n"', 'data', 'data_base64'],
    ['data_base64 for URLs', '"data_base64":"_-__"', 'data', 'data_base64'],
    ['data_base64 of padding', '"data_base64":"===="', 'data', 'data_base64'],
    ['data_base64 with padding inside', '"data_base64":"AA==AAAA"', 'data', 'data_base64'],
  ])('%s', (_name, members, code, where) => {
    const outcome = decode([['Content-Type', 'application/cloudevents+json']], event(members), REFUSE_MALFORMED);
    expect(outcome).toMatchObject({ status: 400, code, message: expect.stringContaining(where) as string });
  });

  it.each([
    ['nothing', '', 'json'],
    ['half an event', LINE, 'json'],
    ['something after the event', `${event('')}{}`, 'json'],
    ['an array', `[${event('')}]`, 'json'],
    ['null', 'null', 'json'],
    ['a string', '"x"', 'json'],
    ['a raw line feed in a string', event('"subject":"a\nb"'), 'json'],
    [
      'bytes that are not UTF-8',
      Buffer.concat([Buffer.from(`${LINE},"data":"`), Buffer.from([0xff]), Buffer.from('"}')]),
      'utf8',
    ],
    [
      'a surrogate as raw bytes',
      Buffer.concat([Buffer.from(`${LINE},"data":"`), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
      'utf8',
    ],
  ])('%s', (_name, body, code) => {
    expect(decodeStructuredText(body)).toMatchObject({ status: 400, code });
  });
});

describe('the CloudEvents media type', () => {
  it.each([
    'application/cloudevents+json',
    'APPLICATION/CloudEvents+JSON',
    'application/cloudevents+json; charset=UTF-8',
    'application/cloudevents+json;charset="us-ascii"',
    'application/cloudevents+json; charset="utf\\-8"',
    'application/cloudevents+json ; profile=x; Charset=utf8',
  ])('%s is taken', (contentType) => {
    expect(decodeStructuredText(event(''), contentType)).toEqual([event('')]);
  });

  it.each([
    ['application/cloudevents', 'event_format'],
    ['application/cloudevents; charset=utf-8', 'event_format'],
    ['application/cloudevents+avro', 'event_format'],
    ['application/CloudEvents+xml', 'event_format'],
    ['application/cloudevents-batch', 'event_format'],
    ['application/cloudevents-batch+protobuf', 'event_format'],
    ['application/cloudevents+json garbage', 'event_format'],
    ['application/cloudevents+json; charset=iso-8859-1', 'charset'],
    ['application/cloudevents+json; charset="UTF-16"', 'charset'],
    ['application/cloudevents-batch+json; a=b; charset=latin1', 'charset'],
  ])('%s is answered with 415', (contentType, code) => {
    expect(decodeStructuredText(event(''), contentType)).toMatchObject({ status: 415, code });
  });
});

describe('batched mode', () => {
  it.each([
    ['no event', '[]', []],
    ['no event, with whitespace', ' [ \n ] ', []],
    ['one event', `[${event('')}]`, [event('')]],
    [
      'events as they are',
      `[${event('"data":1.0')},${event('"data":"],["')},${event('"1":"x"')}]`,
      [event('"data":1.0'), event('"data":"],["'), event('"1":"x"')],
    ],
    [
      'events with whitespace between them',
      `\ufeff\n[ ${event('')} ,\r\n\t${event('"data": {"a" : "b  c"}')} ]\n`,
      [event(''), event('"data":{"a":"b  c"}')],
    ],
    ['the same event twice', `[${event('')},${event('')}]`, [event(''), event('')]],
  ])('takes %s', (_name, body, lines) => {
    expect(decodeBatchText(body, 'Application/CloudEvents-Batch+JSON; charset=utf-8')).toEqual(lines);
  });

  it.each([
    ['an event that is no array', event(''), 'json', /^a batch/],
    ['null', 'null', 'json', /^a batch/],
    ['an element that is no object', `[${event('')},"x"]`, 'json', /^batch element 1: /],
    ['an element that is an array', `[[${event('')}]]`, 'json', /^batch element 0: /],
    [
      'an element without id',
      `[${event('')},${event('')},{"specversion":"1.0","type":"t","source":"s"}]`,
      'missing_attribute',
      /^batch element 2: attribute id /,
    ],
    [
      'an element with an attribute given twice',
      `[${event('')},${event('"a":1,"a":1')}]`,
      'duplicate_attribute',
      /^batch element 1: attribute "a" /,
    ],
    [
      'an unpaired surrogate',
      `[${event('"data":"\\ud83d\\ude00"')},${event('"data":"\\ud83d"')},${event('')}]`,
      'surrogate',
      /^batch element 1: /,
    ],
    [
      'surrogates paired over two events',
      `[${event('"data":"\\ud83d"')},${event('"data":"\\ude00"')}]`,
      'surrogate',
      /^batch element 0: /,
    ],
    ['two specversions', `[${event('')},${event('').replace('1.0', '0.3')}]`, 'batch', /^batch element 1: specversion/],
    [
      'an unknown specversion',
      `[${event('')},${event('').replace('1.0', '0.9')}]`,
      'specversion',
      /^batch element 1: specversion/,
    ],
    ['a trailing comma', `[${event('')},]`, 'json', /^the batch/],
  ])('refuses %s', (_name, body, code, message) => {
    expect(decode([['Content-Type', 'application/cloudevents-batch+json']], body, REFUSE_MALFORMED)).toMatchObject({
      status: 400,
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('structured mode, specversion 0.3', () => {
  function legacy(members: string): string {
    return event(members).replace('1.0', '0.3');
  }

  it.each([
    [
      'the attributes of 0.3',
      '"schemaurl":"http://x/y","datacontenttype":"image/png","datacontentencoding":"Base64","data":"/w=="',
    ],
    ['an extension that is a map', '"ext":{"a":1.0}'],
    ['an encoding without data', '"datacontentencoding":"base64"'],
    ['an encoding that is null', '"datacontentencoding":null,"data":1'],
    ['data_base64, which 1.0 has', '"datacontenttype":"application/octet-stream","data_base64":"AP8Q"'],
    ['data_base64 beside the encoding', '"datacontentencoding":"base64","data_base64":"AP8Q"'],
  ])('keeps %s', (_name, members) => {
    expect(decodeStructuredText(legacy(members))).toEqual([legacy(members)]);
  });

  it.each([
    ['data_base64 that is no Base64', '"data_base64":"AAE"', 'data'],
    ['data and data_base64', '"data_base64":"AAE=","data":"x"', 'data'],
    ['an extension that is an array', '"ext":[]', 'attribute_value'],
    ['another encoding', '"datacontentencoding":"gzip","data":"x"', 'attribute_value'],
    ['data that is not in the encoding', '"datacontentencoding":"base64","data":"x"', 'data'],
    ['data that is not even a string', '"datacontentencoding":"base64","data":1', 'data'],
    ['an empty subject', '"subject":""', 'attribute_value'],
  ])('refuses %s', (_name, members, code) => {
    expect(decodeStructuredText(legacy(members))).toMatchObject({ status: 400, code });
  });
});

import { describe, expect, it } from 'vitest';
import {
  decode,
  decodeBinaryWith,
  onTheWire,
  REFUSE_MALFORMED,
  REQUIRED_HEADERS as REQUIRED,
  REQUIRED_LINE as LINE,
} from './messages.fixture.ts';

type Headers = readonly (readonly [string, string])[];

function bytes(...values: number[]): Buffer {
  return Buffer.from(values);
}

describe('binary mode, data', () => {
  const cases: [string, Headers, string | Buffer, string][] = [
    ['no Content-Type and no body: no data', [], '', `${LINE}}`],
    [
      'an empty body is no data, whatever its type',
      [['Content-Type', 'text/plain']],
      '',
      `${LINE},"datacontenttype":"text/plain"}`,
    ],
    [
      'an empty body is no data even as JSON',
      [['Content-Type', 'application/json']],
      '',
      `${LINE},"datacontenttype":"application/json"}`,
    ],
    [
      'JSON keeps its digits',
      [['Content-Type', 'application/json']],
      '{"n":12345678901234567890.10,"e":1E400}',
      `${LINE},"datacontenttype":"application/json","data":{"n":12345678901234567890.10,"e":1E400}}`,
    ],
    [
      'JSON keeps its escapes and nested duplicates',
      [['content-type', 'application/json']],
      '{"a":"\\u0041\\/","a":1}',
      `${LINE},"datacontenttype":"application/json","data":{"a":"\\u0041\\/","a":1}}`,
    ],
    [
      'JSON loses whitespace outside of strings only',
      [['Content-Type', 'application/json']],
      ' {\r\n\t"a b" : "x  \\n y" }\n',
      `${LINE},"datacontenttype":"application/json","data":{"a b":"x  \\n y"}}`,
    ],
    [
      'null is data',
      [['Content-Type', 'application/json']],
      'null',
      `${LINE},"datacontenttype":"application/json","data":null}`,
    ],
    [
      'zero is data',
      [['Content-Type', 'application/json']],
      '0',
      `${LINE},"datacontenttype":"application/json","data":0}`,
    ],
    [
      'false is data',
      [['Content-Type', 'application/json']],
      'false',
      `${LINE},"datacontenttype":"application/json","data":false}`,
    ],
    [
      'an empty JSON string is data',
      [['Content-Type', 'application/json']],
      '""',
      `${LINE},"datacontenttype":"application/json","data":""}`,
    ],
    [
      'a byte order mark before JSON is ignored',
      [['Content-Type', 'application/json']],
      '\ufeff{}',
      `${LINE},"datacontenttype":"application/json","data":{}}`,
    ],
    [
      '*/json is JSON',
      [['Content-Type', 'TEXT/JSON;charset=UTF-8']],
      '1.0',
      `${LINE},"datacontenttype":"TEXT/JSON;charset=UTF-8","data":1.0}`,
    ],
    [
      '+json is JSON',
      [['Content-Type', 'image/svg+json ; a=b']],
      '[ ]',
      `${LINE},"datacontenttype":"image/svg+json ; a=b","data":[]}`,
    ],
    [
      'a subtype that merely ends in json is bytes',
      [['Content-Type', 'application/xjson']],
      '{}',
      `${LINE},"datacontenttype":"application/xjson","data_base64":"e30="}`,
    ],
    [
      'JSON in another charset is kept as bytes',
      [['Content-Type', 'application/json; charset="utf-16le"']],
      bytes(0x31, 0),
      `${LINE},"datacontenttype":"application/json; charset=\\"utf-16le\\"","data_base64":"MQA="}`,
    ],
    [
      'a charset in another parameter is none',
      [['Content-Type', 'text/plain; a="; charset=x"']],
      'x',
      `${LINE},"datacontenttype":"text/plain; a=\\"; charset=x\\"","data":"x"}`,
    ],
    [
      'pairs of surrogates are kept as they are',
      [['Content-Type', 'application/json']],
      '"\\ud83D\\uDe00 😀"',
      `${LINE},"datacontenttype":"application/json","data":"\\ud83D\\uDe00 😀"}`,
    ],
    [
      'text is a string',
      [['Content-Type', 'text/plain']],
      'a "b"\n\u0000\ufeff',
      `${LINE},"datacontenttype":"text/plain","data":"a \\"b\\"\\n\\u0000\ufeff"}`,
    ],
    [
      'JSON as text stays text',
      [['Content-Type', 'text/plain']],
      '{ }',
      `${LINE},"datacontenttype":"text/plain","data":"{ }"}`,
    ],
    [
      'text keeps a byte order mark',
      [['Content-Type', 'text/plain']],
      '\ufeffx',
      `${LINE},"datacontenttype":"text/plain","data":"\ufeffx"}`,
    ],
    [
      'text that is not UTF-8 is kept as bytes',
      [['Content-Type', 'text/plain']],
      bytes(0xe9),
      `${LINE},"datacontenttype":"text/plain","data_base64":"6Q=="}`,
    ],
    [
      'text in another charset is kept as bytes',
      [['Content-Type', 'text/plain; Charset=ISO-8859-1']],
      'x',
      `${LINE},"datacontenttype":"text/plain; Charset=ISO-8859-1","data_base64":"eA=="}`,
    ],
    [
      'other media types are bytes',
      [['Content-Type', 'application/xml']],
      '<a/>',
      `${LINE},"datacontenttype":"application/xml","data_base64":"PGEvPg=="}`,
    ],
    ['without Content-Type, JSON is JSON', [], '{"a": 1.50}', `${LINE},"data":{"a":1.50}}`],
    ['without Content-Type, what is not JSON is kept as bytes', [], 'hello', `${LINE},"data_base64":"aGVsbG8="}`],
    [
      'without Content-Type, what is not UTF-8 is kept as bytes',
      [],
      bytes(0x22, 0xff, 0x22),
      `${LINE},"data_base64":"Iv8i"}`,
    ],
    [
      'without Content-Type, JSON with an unpaired surrogate is kept as bytes, with its type',
      [],
      '"\\ud800"',
      `${LINE},"datacontenttype":"application/json","data_base64":"Ilx1ZDgwMCI="}`,
    ],
    ['an empty Content-Type is none', [['Content-Type', '']], '1', `${LINE},"data":1}`],
  ];
  it.each(cases)('%s', (_name, headers, body, line) => {
    expect(decodeBinaryWith(headers, body)).toEqual([line]);
  });

  const refused: [string, Headers, string | Buffer, string][] = [
    ['JSON that is none', [['Content-Type', 'application/json']], '{"a":}', 'json'],
    ['two JSON values', [['Content-Type', 'application/json']], '1\n2', 'json'],
    ['JSON that is not UTF-8', [['Content-Type', 'application/json']], bytes(0x22, 0xe9, 0x22), 'utf8'],
    [
      'a surrogate as raw bytes in JSON',
      [['Content-Type', 'application/json']],
      bytes(0x22, 0xed, 0xa0, 0x80, 0x22),
      'utf8',
    ],
    ['an escaped surrogate alone', [['Content-Type', 'application/json']], '{"a":"\\uD800"}', 'surrogate'],
    ['an escaped low surrogate first', [['Content-Type', 'application/json']], '"\\udc00\\ud800"', 'surrogate'],
    ['an escaped surrogate before a raw pair', [['Content-Type', 'application/json']], '"\\ud83d😀"', 'surrogate'],
    ['a Content-Type that is no media type', [['Content-Type', 'xyz']], 'x', 'content_type'],
    [
      'a Content-Type with a control character',
      [['Content-Type', onTheWire('text/plain; a=\u0085')]],
      'x',
      'attribute_value',
    ],
    ['a Content-Type that is not UTF-8', [['Content-Type', 'text/plain; a=\xe9']], 'x', 'utf8'],
    [
      'two Content-Types',
      [
        ['Content-Type', 'text/plain'],
        ['content-type', 'text/plain'],
      ],
      'x',
      'content_type',
    ],
  ];
  it.each(refused)('refuses %s', (_name, headers, body, code) => {
    expect(decodeBinaryWith(headers, body, REFUSE_MALFORMED)).toMatchObject({ status: 400, code });
  });

  it('takes an escaped backslash before "ud800" for what it is', () => {
    const body = '"\\\\ud800 \\\\\\\\uD800"';
    expect(decodeBinaryWith([['Content-Type', 'application/json']], body)).toEqual([
      `${LINE},"datacontenttype":"application/json","data":${body}}`,
    ]);
  });
});

describe('binary mode, attributes', () => {
  it.each([
    [
      'an unpaired percent sign, quotes and raw UTF-8, as Vanus sends them',
      onTheWire('héllo € "q" % 😀 a b'),
      'héllo € \\"q\\" % 😀 a b',
    ],
    ['percent-encoding, once, in either case', 'Euro%20%E2%82%aC%20%F0%9F%98%80%2541', 'Euro € 😀%41'],
    ['what looks like percent-encoding beside raw UTF-8, as it is', onTheWire('é%C3%A9'), 'é%C3%A9'],
    ['malformed percent-encoding as it is', '100%, %4, %zz, %', '100%, %4, %zz, %'],
    ['a quoted string', '"a \\"b\\" \\c"', 'a \\"b\\" c'],
    ['percent-encoding inside of a quoted string', '"a%20b"', 'a b'],
    ['two quoted strings as they are', '"a" or "b"', '\\"a\\" or \\"b\\"'],
    ['an unfinished quoted string as it is', '"a', '\\"a'],
    ['a backslash outside of quotes as it is', 'C:\\x', 'C:\\\\x'],
  ])('decodes %s', (_name, raw, text) => {
    expect(decodeBinaryWith([['Ce-Subject', raw]])).toEqual([`${LINE},"subject":"${text}"}`]);
  });

  const accepted: [string, string, string][] = [
    ['an extension without a value', 'Ce-Empty', ''],
    ['an extension with an empty quoted string', 'ce-empty', '""'],
    ['a name of more than 20 characters', 'CE-Abcdefghijklmnopqrstuvwxyz0123456789', 'x'],
    ['a name that objects have by themselves', 'ce-constructor', 'x'],
    ['integers beyond 32 bits, which are strings here', 'ce-big', '12345678901234567890'],
    ['an extension that 0.3 has a meaning for', 'ce-datacontentencoding', 'gzip'],
  ];
  it.each(accepted)('accepts %s', (_name, header, value) => {
    const text = value === '""' ? '' : value;
    expect(decodeBinaryWith([[header, value]])).toEqual([`${LINE},"${header.slice(3).toLowerCase()}":"${text}"}`]);
  });

  it.each([0, 1, 2, 3])('refuses a message without required header %i', (missing) => {
    const headers = REQUIRED.filter((_, index) => index !== missing);
    const name = REQUIRED[missing]?.[0].slice(3).toLowerCase() ?? '';
    expect(decode(headers, '')).toMatchObject({
      status: 400,
      code: 'missing_attribute',
      message: `attribute ${name} is missing`,
    });
    const empty = REQUIRED.map(([header, value], index) => [header, index === missing ? '' : value] as const);
    expect(decode(empty, '')).toMatchObject({ status: 400 });
  });

  const refused: [string, string, string, string][] = [
    ['an empty subject', 'Ce-Subject', '', 'attribute_value'],
    ['an empty dataschema', 'Ce-Dataschema', '', 'attribute_value'],
    ['an empty time', 'Ce-Time', '', 'attribute_value'],
    ['a time that is none', 'Ce-Time', 'lunchtime', 'attribute_value'],
    ['a percent-encoded line feed', 'Ce-X', 'a%0Ab', 'attribute_value'],
    ['a tab', 'Ce-X', 'a\tb', 'attribute_value'],
    ['DEL', 'Ce-X', '%7F', 'attribute_value'],
    ['a C1 control character', 'Ce-X', '%C2%85', 'attribute_value'],
    ['a noncharacter', 'Ce-X', '%EF%BF%BF', 'attribute_value'],
    ['a noncharacter of another plane', 'Ce-X', '%F0%9F%BF%BE', 'attribute_value'],
    ['overlong UTF-8', 'Ce-X', '%C0%A0', 'utf8'],
    ['a surrogate as UTF-8', 'Ce-X', '%ED%A0%80', 'utf8'],
    ['raw latin1', 'Ce-X', 'caf\xe9', 'utf8'],
    ['a name with a hyphen', 'Ce-My-Ext', 'x', 'attribute_name'],
    ['a name with an underscore', 'Ce-data_base64', 'x', 'attribute_name'],
    ['no name', 'Ce-', 'x', 'attribute_name'],
    ['ce-datacontenttype', 'Ce-DataContentType', 'text/plain', 'attribute_name'],
    ['ce-data', 'Ce-Data', 'x', 'attribute_name'],
    ['a required attribute given twice', 'ce-id', '1', 'duplicate_attribute'],
  ];
  it.each(refused)('refuses %s', (_name, header, value, code) => {
    expect(decodeBinaryWith([[header, value]])).toMatchObject({ status: 400, code });
  });

  it('refuses an extension given twice, without regard to case', () => {
    expect(
      decodeBinaryWith([
        ['ce-x', '1'],
        ['CE-X', '1'],
      ]),
    ).toMatchObject({ status: 400, code: 'duplicate_attribute' });
  });

  it('leaves headers alone that only resemble attributes', () => {
    expect(
      decodeBinaryWith([
        ['cex-a', '\x01'],
        ['c', 'x'],
        ['Accept', '*/*'],
        ['X-ce-a', 'x'],
      ]),
    ).toEqual([`${LINE}}`]);
  });

  it('refuses an unknown specversion', () => {
    for (const version of ['0.9', '1.1', '1.0.2', '2.0', ' 1.0x']) {
      expect(decode([['ce-specversion', version], ...REQUIRED.slice(1)], '')).toMatchObject({
        status: 400,
        code: 'specversion',
      });
    }
  });

  it('names a bad attribute in one short line', () => {
    const outcome = decodeBinaryWith([['Ce-Time', onTheWire(`\u2028${'x'.repeat(50_000)}`)]]);
    expect(outcome).toMatchObject({
      message: expect.stringMatching(/^attribute time: "[^\n\u2028]{1,120}$/) as string,
    });
  });
});

describe('binary mode, specversion 0.3', () => {
  const legacy = [['ce-specversion', '0.3'], ...REQUIRED.slice(1)] as const;
  const line = LINE.replace('1.0', '0.3');

  it('keeps bytes in the way of 0.3', () => {
    expect(decode([...legacy, ['Content-Type', 'image/png']], bytes(0xff))).toEqual([
      `${line},"datacontenttype":"image/png","datacontentencoding":"base64","data":"/w=="}`,
    ]);
  });

  it('keeps a body that is Base64 already', () => {
    const headers = [...legacy, ['ce-datacontentencoding', 'Base64'], ['Content-Type', 'application/json']] as const;
    expect(decode(headers, 'e30=')).toEqual([
      `${line},"datacontentencoding":"Base64","datacontenttype":"application/json","data":"e30="}`,
    ]);
    expect(decode(headers, '')).toEqual([
      `${line},"datacontentencoding":"Base64","datacontenttype":"application/json"}`,
    ]);
    expect(decode(headers, '{}')).toMatchObject({ status: 400, code: 'data' });
  });

  it('knows no other encoding', () => {
    expect(decode([...legacy, ['ce-datacontentencoding', 'gzip']], 'x')).toMatchObject({
      status: 400,
      code: 'attribute_value',
    });
  });

  it('has JSON data as 1.0 has it', () => {
    expect(decode([...legacy, ['Content-Type', 'application/json']], '{ }')).toEqual([
      `${line},"datacontenttype":"application/json","data":{}}`,
    ]);
  });
});

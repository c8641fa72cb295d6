import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactJson, hasLoneSurrogate } from './json.ts';
import { decodeAnyBatch, decodeAnyStructured } from './structured.ts';
import { plainBatch, plainEvent } from './plain-event.ts';
import { plainJson } from './plain-json.ts';

/** What JSON.parse makes of a text decides; null: it is no JSON, or has an unpaired surrogate. */
function careful(text: string): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return hasLoneSurrogate(text) ? null : compactJson(text);
}

/** Pieces of JSON, in any order: most of what comes of it is none, by one character. */
const pieces = fc
  .array(
    fc.oneof(
      fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"a":', '"', '\\', '\\u', 'd83d', '0041', '\\n', '\\x', '/'),
      fc.constantFrom('0', '1', '-', '+', '.', 'e', 'E', '00', '1.5', '-0', '1e9', 'true', 'false', 'null', 'tru', 'N'),
      fc.constantFrom(' ', '\n', '\t', '\u0000', '\u001f', '\u007f', '\ufeff', 'é', '😀'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** A sound text with one character taken out, put in or changed. */
const damaged = fc
  .tuple(
    fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }),
    fc.nat(),
    fc.nat(2),
    fc.constantFrom(...Array.from('{}[],:"\\ 0-.etnu\n')),
  )
  .map(([value, at, how, character]) => {
    const text = JSON.stringify(value);
    const index = at % (text.length + 1);
    return text.slice(0, index) + (how === 0 ? '' : character) + text.slice(how === 1 ? index : index + 1);
  });

describe('plain JSON', () => {
  it('is JSON, and kept as it is', () => {
    fc.assert(
      fc.property(fc.oneof(pieces, damaged), (any) => {
        const text = any.toWellFormed();
        const plain = plainJson(Buffer.from(text));
        if (plain !== null) expect(plain).toBe(careful(text));
      }),
      { numRuns: 20_000 },
    );
  });

  it('is what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        expect(plainJson(Buffer.from(text))).toBe(text);
        expect(plainJson(Buffer.from(`${text}\r\n`))).toBe(text);
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['whitespace between', '{"a": 1}'],
    ['whitespace before', ' 1'],
    ['an escaped surrogate, paired or not', '"\\ud83d\\ude00"'],
    ['a byte order mark', '\ufeff{}'],
    ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`],
    ['more than a megabyte', `"${'x'.repeat(1024 * 1024)}"`],
    ['two values', '{}{}'],
    ['a 0 after it', '{}\u0000'],
    ['a text that ends in a string', '["a'],
    ['a text that ends in an escape', '["a\\'],
    ['a text that ends in a word', 'tru'],
    ['a leading zero', '01'],
    ['a point without digits', '1.'],
    ['an exponent without digits', '1e+'],
    ['three hex digits', '"\\u004"'],
  ])('is not: %s', (_name, text) => {
    expect(plainJson(Buffer.from(text))).toBeNull();
  });

  it('is UTF-8', () => {
    expect(plainJson(Buffer.from([0x22, 0xe9, 0x22]))).toBeNull();
    expect(plainJson(Buffer.from('"é😀"'))).toBe('"é😀"');
  });

  it.each([
    '"\\u0026\\u00e9\\uD7FF\\ue000"',
    '-0',
    '1E+5',
    '0.10',
    '[[],{},"\\/\\b"]',
    '['.repeat(64) + ']'.repeat(64),
  ])('is: %s', (text) => {
    expect(plainJson(Buffer.from(text))).toBe(text);
  });

  it('does not see what an earlier, longer text left behind', () => {
    expect(plainJson(Buffer.from('["a",1]'))).toBe('["a",1]');
    expect(plainJson(Buffer.from('["a"'))).toBeNull();
  });
});

describe('plain events', () => {
  const value = fc.oneof(
    fc.constantFrom(
      '"1.0"',
      '"0.3"',
      '""',
      '"a"',
      '"a b~"',
      '"é"',
      '"\\n"',
      '"\u007f"',
      'null',
      'true',
      'false',
      '1',
      '1.0',
    ),
    fc.constantFrom(
      '"2026-11-26T20:00:00Z"',
      '"2026-02-30T20:00:00Z"',
      '"application/json"',
      '"text/x; a=b"',
      '"x"',
      '{}',
      '[1]',
    ),
  );
  const name = fc.constantFrom(
    ...[
      'specversion',
      'id',
      'source',
      'type',
      'subject',
      'time',
      'datacontenttype',
      'dataschema',
      'data',
      'data_base64',
    ],
    ...['datacontentencoding', 'ext', 'ext1', 'Ext', 'e-x', '', 'i', 'ids', 'dat', '__proto__', 'constructor'],
  );
  const required = ['"specversion":"1.0"', '"id":"1"', '"source":"/s"', '"type":"t"'];
  const member = fc.tuple(name, value).map(([key, text]) => `"${key}":${text}`);
  const event = fc
    .tuple(fc.subarray(required, { minLength: 3 }), fc.array(member, { maxLength: 4 }), fc.infiniteStream(fc.nat()))
    .map(([some, others, order]) => {
      const members = [...some, ...others].map((text) => ({ text, at: order.next().value as number }));
      return `{${members
        .sort((a, b) => a.at - b.at)
        .map(({ text }) => text)
        .join()}}`;
    });

  it('are taken as the careful way takes them, and what it refuses is not plain', () => {
    let plain = 0;
    fc.assert(
      fc.property(event, (text) => {
        const line = plainEvent(Buffer.from(text));
        if (line === null) return;
        plain += 1;
        expect([line]).toEqual(decodeAnyStructured(Buffer.from(text)));
      }),
      { numRuns: 20_000 },
    );
    expect(plain).toBeGreaterThan(1_000);
  });

  it('are taken from batches, in ASCII and beyond', () => {
    const plainOnes = fc.array(
      event.filter((text) => plainEvent(Buffer.from(text)) !== null),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(plainOnes, fc.constantFrom('', 'é'), fc.constantFrom('', '\n'), (texts, beyond, after) => {
        const last = `{${required.join()},"data":"${beyond}"}`;
        const batch = Buffer.from(`[${[...texts, last].join()}]${after}`);
        expect(plainBatch(batch)).toEqual([...texts, last]);
        expect(decodeAnyBatch(batch)).toEqual([...texts, last]);
      }),
    );
  });

  it.each(['[]', '[', '{}', '[{}]', `[{${required.join()}}`, `[{${required.join()}},]`, `[{${required.join()}}]x`])(
    'are not in %s',
    (text) => {
      expect(plainBatch(Buffer.from(text))).toBeNull();
    },
  );

  it.each([
    ['any attribute of the specification', ',"subject":"s","time":"2026-11-26T20:00:00.5Z","dataschema":"x"'],
    ['extensions', ',"traceparent":"00-ab","flag":true,"off":false,"empty":""'],
    ['another media type', ',"datacontenttype":"application/x+json; charset=utf-8","data":{"a":[1,null]}'],
  ])('may have %s', (_name, members) => {
    const text = `{${required.join()}${members}}`;
    expect(plainEvent(Buffer.from(text))).toBe(text);
  });
});

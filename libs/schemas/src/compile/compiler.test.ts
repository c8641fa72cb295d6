import { describe, expect, it } from 'vitest';
import { compile, type Compiled } from './compiler.ts';
import { FORMATS } from './keywords.ts';
import { type Evaluate, instantiate } from './instantiate.ts';
import { isShort, type Program } from './program.ts';

const URI = 'https://schemas.example/order.json';
const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema';

function compiled(schema: unknown, others: Readonly<Record<string, unknown>> = {}, uri = URI): Compiled {
  const texts = { [URI]: schema, ...others };
  const documents = Object.entries(texts).map(([of, value]) => ({
    uri: of,
    text: typeof value === 'string' ? value : JSON.stringify(value),
    references: {},
  }));
  return compile({ uri, documents });
}

function program(...given: Parameters<typeof compiled>): Program {
  const result = compiled(...given);
  if (result.kind !== 'program') throw new Error(JSON.stringify(result));
  return result.program;
}

function evaluate(...given: Parameters<typeof compiled>): Evaluate {
  return instantiate(program(...given));
}

function unusable(schema: unknown, others?: Readonly<Record<string, unknown>>): string {
  const result = compiled(schema, others);
  if (result.kind !== 'unusable') throw new Error(`it is usable: ${JSON.stringify(result)}`);
  return result.why;
}

describe('schemas', () => {
  it('name the place and the keyword of a mismatch', () => {
    const order = evaluate({
      type: 'object',
      required: ['id'],
      properties: {
        id: { type: 'integer' },
        lines: { type: 'array', items: { properties: { 'a/b': { format: 'date' } } } },
      },
    });
    expect(order({ id: 1, lines: [{ 'a/b': '2026-11-29' }] })).toBeNull();
    expect(order({})).toEqual({ at: '', keyword: 'required', message: "must have required property 'id'" });
    expect(order({ id: 1, lines: [{}, { 'a/b': 'x' }] })).toMatchObject({ at: '/lines/1/a~1b', keyword: 'format' });
    expect(evaluate(false)(1)).toMatchObject({ at: '' });
    expect(evaluate(true)(1)).toBeNull();
  });

  it('are of draft-07 unless they say otherwise', () => {
    expect(evaluate({ items: [{ type: 'number' }], additionalItems: false })([1, 2])).not.toBeNull();
    const newer = evaluate({ $schema: DRAFT_2020, prefixItems: [{ type: 'number' }], items: false });
    expect([newer([1]), newer([1, 2]) === null]).toEqual([null, false]);
    // What is beside a $ref counts since 2019.
    const both = { $ref: '#/definitions/a', type: 'string', definitions: { a: {} } };
    expect([evaluate(both)(1), evaluate({ $schema: DRAFT_2020, ...both })(1) === null]).toEqual([null, false]);
    expect(unusable({ $schema: 'http://json-schema.org/draft-04/schema#' })).toContain('draft-07');
    expect(unusable({ $schema: 7 })).toContain('draft-07');
    expect(
      unusable(
        { $schema: DRAFT_2020, $ref: 'b.json' },
        { 'https://schemas.example/b.json': { $schema: 'http://json-schema.org/draft-07/schema#' } },
      ),
    ).toContain('another draft');
  });

  it('refer to parts of themselves: by pointer, anchor, id, and the URI of the event', () => {
    const parts = {
      definitions: {
        'a/b': { type: 'number' },
        c: { $id: '#named', type: 'string' },
        d: { $id: 'sub/d.json', definitions: { e: { type: 'null' } } },
      },
    };
    expect(evaluate({ $ref: '#/definitions/a~1b', ...parts })('x')).not.toBeNull();
    expect(evaluate({ $ref: '#/definitions/a%7E1b', ...parts })(1)).toBeNull();
    expect(evaluate({ allOf: [{ $ref: '#named' }], ...parts })(1)).not.toBeNull();
    expect(evaluate({ allOf: [{ $ref: 'sub/d.json#/definitions/e' }], ...parts })(1)).not.toBeNull();
    expect(evaluate(parts, {}, `${URI}#/definitions/c`)(1)).not.toBeNull();
    expect(
      evaluate(
        { components: { schemas: { x: { $ref: '#/components/schemas/y' }, y: { type: 'string' } } } },
        {},
        `${URI}#/components/schemas/x`,
      )(1),
    ).not.toBeNull();
    expect(unusable({ $ref: '#/definitions/none' })).toContain('leads to nothing');
    expect(unusable({ $ref: '#none' })).toContain('leads to nothing');
    expect(unusable({ $ref: '#/__proto__' })).toContain('leads to nothing');
    expect(unusable({ $ref: '#/constructor/prototype' })).toContain('leads to nothing');
    expect(unusable({ $ref: '#/type', type: 'object' })).toContain('leads to nothing');
  });

  it('refer to other documents, which are asked for one level after the other', () => {
    const [b, c] = ['https://schemas.example/b.json', 'https://other.example/c.json'];
    const a = { properties: { b: { $ref: 'b.json#/definitions/x' }, again: { $ref: b } } };
    expect(compiled(a)).toEqual({ kind: 'needs', uris: [b] });
    const inB = { definitions: { x: { $ref: c } } };
    expect(compiled(a, { [b]: inB })).toEqual({ kind: 'needs', uris: [c] });
    expect(evaluate(a, { [b]: inB, [c]: { type: 'number' } })({ b: 'x' })).toMatchObject({ at: '/b', keyword: 'type' });
    // The root's own $id is what its references are relative to.
    expect(compiled({ $id: 'https://other.example/dir/a.json', allOf: [{ $ref: '../c.json' }] })).toEqual({
      kind: 'needs',
      uris: [c],
    });
  });

  it('of 2020-12 may have $dynamicRef, if its name is given once', () => {
    const tree = {
      $schema: DRAFT_2020,
      $dynamicAnchor: 'node',
      properties: { child: { $dynamicRef: '#node' }, n: { type: 'number' } },
    };
    expect(evaluate(tree)({ child: { child: { n: 'x' } } })).toMatchObject({ at: '/child/child/n' });
    expect(unusable({ ...tree, $defs: { x: { $id: 'x', $dynamicAnchor: 'node' } } })).toContain('more than once');
    const closed = evaluate({
      $schema: DRAFT_2020,
      allOf: [{ properties: { a: true } }],
      unevaluatedProperties: false,
    });
    expect([closed({ a: 1 }), closed({ b: 1 }) === null]).toEqual([null, false]);
  });

  it('that are none are not used', () => {
    for (const text of ['', '{', '[]', '"x"', '1', 'null']) expect(compiled(text).kind).toBe('unusable');
    expect(unusable({ type: 'strng' })).toContain('/type');
    expect(unusable({ properties: { a: { minimum: '1; process.exit()' } } })).toContain('no JSON Schema');
    expect(unusable({ definitions: { a: { type: 7 } }, $ref: '#/definitions/a' })).toContain('no JSON Schema');
    expect(unusable({ x: { y: { required: [{}] } }, $ref: '#/x/y' })).toContain('no JSON Schema');
    expect(unusable({ pattern: '(' })).toContain('cannot be compiled');
    expect(unusable({ type: 'record', name: 'avro', fields: [] })).toContain('no JSON Schema');
  });

  it('have patterns of old, and formats and keywords that nobody knows', () => {
    expect(evaluate({ pattern: '^[\\w-.]+$' })('a-b.c')).toBeNull();
    const lax = evaluate({
      format: 'constructor',
      nullable: true,
      discriminator: {},
      properties: { a: { format: '__proto__' }, b: { format: 'url' } },
    });
    expect(lax({ a: 'x', b: 'x' })).toBeNull();
  });
});

describe('hostile schemas', () => {
  it('inject no code, by any name or text', () => {
    const poison = [
      '*/;globalThis.pwned=1;/*',
      '";globalThis.pwned=1;"',
      "';globalThis.pwned=1;'",
      '`${globalThis.pwned=1}`',
      '\u2028globalThis.pwned=1\u2028',
      '\\";globalThis.pwned=1;//',
      ']);globalThis.pwned=1;([',
      'constructor',
      'toString',
      'hasOwnProperty',
      'prototype',
      'valueOf',
    ];
    for (const text of poison) {
      for (const $schema of ['http://json-schema.org/draft-07/schema#', DRAFT_2020]) {
        const schema = {
          $schema,
          $id: `https://x.example/${text}`,
          $comment: text,
          title: text,
          default: text,
          examples: [text],
          [text]: text,
          properties: { [text]: { const: text, format: text, $comment: text }, e: { enum: [text, { [text]: text }] } },
          patternProperties: { [text.replace(/[^a-z]/gi, '\\$&')]: { type: ['string', 'object'] } },
          required: [text],
          dependencies: { [text]: [text] },
          dependentRequired: { [text]: [text] },
          additionalProperties: { $ref: `#/definitions/${encodeURIComponent(text)}` },
          definitions: { [text]: { type: 'object' } },
        };
        for (const own of [schema, { ...schema, $id: undefined }]) {
          const result = compiled(own);
          if (result.kind !== 'program') continue;
          const check = instantiate(result.program);
          for (const data of [
            {},
            { [text]: text },
            { [text]: 1 },
            { e: { [text]: text } },
            { e: 1, [text]: text },
            { z: 1, [text]: text },
            [],
          ])
            check(data);
        }
        // Without the parts that some drafts refuse, it is usable.
        const check = evaluate({
          $schema,
          $id: `https://x.example/${text}`,
          properties: { [text]: { const: text } },
          required: [text],
        });
        expect([check({ [text]: text }), check({}) === null, check({ [text]: 1 }) === null]).toEqual([
          null,
          false,
          false,
        ]);
      }
    }
    expect((globalThis as { pwned?: number }).pwned).toBeUndefined();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('have no member __proto__; data may have one, which is like any other', () => {
    expect(unusable('{"properties":{"__proto__":{"type":"string"}}}')).toContain('__proto__');
    expect(unusable('{"enum":[{"__proto__":{"polluted":1}}]}')).toContain('__proto__');
    const check = evaluate({ required: ['__proto__'], additionalProperties: { type: 'number' } });
    expect(check({})).toMatchObject({ keyword: 'required' });
    expect(check(JSON.parse('{"__proto__":1}'))).toBeNull();
    expect(check(JSON.parse('{"__proto__":"x"}'))).toMatchObject({ keyword: 'type' });
    // Members of JavaScript's prototypes are no members of the data.
    expect(evaluate({ required: ['toString'] })({})).not.toBeNull();
    expect(evaluate({ properties: { constructor: { type: 'string' } } })({})).toBeNull();
  });

  it('are refused when they are nested too deep', () => {
    const nested = (depth: number): string => '{"not":'.repeat(depth) + '{}' + '}'.repeat(depth);
    expect(compiled(nested(100)).kind).toBe('program');
    expect(unusable(nested(1_000))).toContain('nested');
    expect(unusable(`{"enum":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toContain('nested');
  });

  const isInline = (schema: unknown, bytes: number): boolean => isShort(program(schema).cost, bytes);

  it('that are ordinary are evaluated inline', () => {
    const property = { type: 'string', maxLength: 10, pattern: '^[a-z]+(-[a-z]+)*$', format: 'hostname' };
    const properties = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, property]));
    expect(isInline({ type: 'object', properties, additionalProperties: false }, 8_192)).toBe(true);
    expect(
      isInline(
        { type: 'object', properties: { a: { enum: Array.from({ length: 1_000 }, (_, i) => `e${i}`) } } },
        8_192,
      ),
    ).toBe(true);
    expect(isInline({ items: { type: 'string' }, uniqueItems: true }, 100_000)).toBe(true);
    expect(isInline({ uniqueItems: true }, 1_000)).toBe(true);
  });

  it('that may take long are not', () => {
    expect(isInline({ pattern: '^(?=a)(a+)+$' }, 1)).toBe(false);
    expect(isInline({ patternProperties: { '(a)\\1': {} } }, 1)).toBe(false);
    expect(isInline({ pattern: '(.{1,100}){1,9}b' }, 1)).toBe(false);
    expect(isInline({ uniqueItems: true }, 50_000)).toBe(false);
    expect(isInline({ items: { type: ['array', 'string'] }, uniqueItems: true }, 50_000)).toBe(false);
    expect(isInline({ enum: Array.from({ length: 10_000 }, (_, i) => ({ i })) }, 8_192)).toBe(false);
    expect(isInline({ type: 'object' }, 300_000)).toBe(false);
    // Recursion, with and without combinators; 2^30 evaluations by references to references.
    expect(isInline({ anyOf: [{ properties: { a: { $ref: '#' } } }, { properties: { a: { $ref: '#' } } }] }, 1)).toBe(
      false,
    );
    expect(isInline({ properties: { a: { $ref: '#' } } }, 1)).toBe(false);
    const laughs = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [
        `d${i}`,
        { allOf: [{ $ref: `#/definitions/d${i + 1}` }, { $ref: `#/definitions/d${i + 1}` }] },
      ]),
    );
    expect(isInline({ $ref: '#/definitions/d0', definitions: { ...laughs, d30: { type: 'object' } } }, 10)).toBe(false);
  });

  it('that refer in circles end', () => {
    const circle = evaluate({
      $ref: '#/definitions/a',
      definitions: { a: { allOf: [{ $ref: '#/definitions/b' }] }, b: { allOf: [{ $ref: '#/definitions/a' }] } },
    });
    expect(() => circle({})).toThrow(RangeError);
  });

  it('that seem short are: the worst that may be evaluated inline takes milliseconds', () => {
    const worst = [
      [
        { pattern: '[ab]*a[ab]{60}c' },
        (bytes: number) => Array.from({ length: bytes }, (_, i) => 'ab'[(i * i) % 2] ?? '').join(''),
      ],
      [{ pattern: '(a|aa)+$' }, (bytes: number) => `${'a'.repeat(bytes)}!`],
      [{ uniqueItems: true }, (bytes: number) => Array.from({ length: bytes / 2 }, (_, i) => (i < 10 ? i : 0.5 + i))],
      [
        { items: { allOf: Array.from({ length: 100 }, (_, i) => ({ not: { const: `x${i}` } })) } },
        (bytes: number) => Array.from({ length: bytes / 2 }, () => 1),
      ],
    ] as const;
    for (const [schema, dataOf] of worst) {
      const { cost } = program(schema);
      let bytes = 256 * 1024;
      while (!isShort(cost, bytes)) bytes = Math.floor(bytes * 0.9);
      const [check, data] = [evaluate(schema), dataOf(bytes)];
      const before = performance.now();
      check(data);
      // A guard, with room for a busy machine: it takes some 5 to 40.
      expect(performance.now() - before).toBeLessThan(2_000);
    }
  });
});

it.each(FORMATS)('the format %s takes time that is linear in the text', (format) => {
  const check = evaluate({ format });
  const texts = [
    'a',
    '1',
    ':',
    '/',
    '.',
    '-',
    '%20',
    'a.',
    'a-',
    '::',
    '{a}',
    '1:',
    'a@',
    '@',
    '0.',
    '~0/',
    '[',
    '(',
    '?',
    '#',
    'T',
    'P1D',
    'a:',
  ];
  const before = performance.now();
  for (const prefix of ['', 'http://', 'http://a@', 'a@', '/', 'P', '{', '0/']) {
    for (const text of texts) check(prefix + text.repeat(Math.floor(20_000 / text.length)) + '\u0000');
  }
  expect(performance.now() - before).toBeLessThan(5_000);
});

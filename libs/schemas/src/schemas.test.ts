import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { isShort } from './compile/program.ts';
import { newAllowance, SCHEMA_BOUNDS, Schemas, type Verdict } from './schemas.ts';
import type { Found } from './sources/source.ts';
import { SchemaThreads } from './threads/schema-threads.ts';

/** A new thread takes half a second on a busy machine: all tests share two. */
const threads = new SchemaThreads({ evaluateMs: 150 });
afterAll(() => threads.close());

type Given = string | Found | (() => Promise<Found>);

/** Schemas from a source that a test fills: text of a schema, or what is found. Real threads compile and evaluate. */
function open(uris: Record<string, Given>, by = threads) {
  const world = {
    nowMs: 0,
    finds: [] as string[],
    keeps: 'unknown' as 'unknown' | 'forever' | 'until_told',
    threaded: [] as string[],
  };
  const schemas = new Schemas(
    {
      nowMs: () => world.nowMs,
      source: {
        isFor: (uri) => uri in uris,
        find: async (uri) => {
          world.finds.push(uri);
          const given = uris[uri] ?? { kind: 'absent', why: 'gone' };
          if (typeof given === 'function') return given();
          if (typeof given !== 'string') return given;
          return { kind: 'document', document: { uri, text: given, keeps: world.keeps, references: {} } };
        },
      },
      threaded: (work, outcome) => void world.threaded.push(`${work} ${outcome}`),
    },
    SCHEMA_BOUNDS,
    by,
  );
  return { schemas, world, uris };
}

const A = 'https://s.example/a';
const B = 'https://s.example/b';
const NUMBER = '{"type":"number"}';

describe('a schema', () => {
  it('is fetched and compiled once for all that wait, and then at hand', async () => {
    const { schemas, world } = open({ [A]: NUMBER });
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => schemas.check(A, i % 2 === 0 ? '1' : '"x"')),
    );
    expect(verdicts.filter(({ kind }) => kind === 'valid')).toHaveLength(25);
    expect(verdicts[1]).toEqual({ kind: 'invalid', at: '', keyword: 'type', message: 'must be number' });
    expect(world.finds).toEqual([A]);
    expect(schemas.check(A, '2')).toEqual({ kind: 'valid' });
    expect(world.threaded).toEqual(['compile done']);
  });

  it('that nobody has is known as such at once, and takes no room', () => {
    const { schemas, world } = open({});
    for (const uri of [A, 'nonsense', '', 'urn:x', 'https://[/'])
      expect(schemas.check(uri, '1')).toMatchObject({ kind: 'absent' });
    expect(schemas.counts.entries).toBe(0);
    expect(world.finds).toEqual([]);
  });

  it('counts with its URI, also as a failure and while it is renewed; a URI above 4 KiB is no schema', async () => {
    const long = `https://s.example/${'x'.repeat(4_000)}`;
    const { schemas, world, uris } = open({
      [A]: NUMBER,
      [long]: { kind: 'away', why: 'down' },
      [`${long}${long}`]: NUMBER,
    });
    expect(schemas.check(`${long}${long}`, '1')).toMatchObject({ kind: 'absent' });
    await schemas.check(long, '1');
    expect(schemas.counts.bytes).toBeGreaterThan(8_000);
    const { bytes } = schemas.counts;
    await schemas.check(A, '1');
    const both = schemas.counts.bytes;
    expect(both - bytes).toBeGreaterThan(6_000);
    uris[A] = { kind: 'away', why: 'down' };
    world.nowMs = 400_000;
    expect(await schemas.check(A, '1')).toEqual({ kind: 'valid' });
    expect(schemas.counts.bytes).toBe(both);
  });

  it('that may change is fetched again after 5 minutes, an immutable one never, a failure after 30 s', async () => {
    const { schemas, world, uris } = open({ [A]: NUMBER, [B]: { kind: 'absent', why: 'none' } });
    await schemas.check(A, '1');
    await schemas.check(B, '1');
    uris[A] = '{"type":"string"}';
    uris[B] = NUMBER;
    world.nowMs = 29_000;
    expect(schemas.check(B, '1')).toMatchObject({ kind: 'absent' });
    world.nowMs = 31_000;
    expect(await schemas.check(B, '1')).toEqual({ kind: 'valid' });
    expect(schemas.check(A, '1')).toEqual({ kind: 'valid' });
    world.nowMs = 301_000;
    world.keeps = 'forever';
    expect(await schemas.check(A, '"x"')).toEqual({ kind: 'valid' });
    uris[A] = NUMBER;
    world.nowMs = 1e12;
    expect(schemas.check(A, '"x"')).toEqual({ kind: 'valid' });
  });

  it('stays as it was while its source is away, and then is what it has become', async () => {
    const { schemas, world, uris } = open({ [A]: NUMBER, [B]: { kind: 'away', why: 'down' } });
    await schemas.check(A, '1');
    expect(await schemas.check(B, '1')).toEqual({ kind: 'away', why: 'down' });
    uris[A] = { kind: 'away', why: 'down' };
    world.nowMs = 400_000;
    expect(await schemas.check(A, '"x"')).toMatchObject({ kind: 'invalid' });
    uris[A] = '{"type":"string"}';
    world.nowMs = 440_000;
    expect(await schemas.check(A, '"x"')).toEqual({ kind: 'valid' });
  });

  it('from a file is forgotten when files change, as is what was not found', async () => {
    const { schemas, world, uris } = open({ [A]: NUMBER, [B]: { kind: 'absent', why: 'none' } });
    world.keeps = 'until_told';
    await schemas.check(A, '1');
    await schemas.check(B, '1');
    uris[A] = uris[B] = '{"type":"string"}';
    world.nowMs = 1e9;
    expect(schemas.check(A, '1')).toEqual({ kind: 'valid' });
    schemas.directoriesChanged();
    expect(await schemas.check(A, '1')).toMatchObject({ kind: 'invalid' });
    expect(await schemas.check(B, '"x"')).toEqual({ kind: 'valid' });
  });

  it('may refer to others, which come from the same sources', async () => {
    const { schemas, world } = open({
      [A]: `{"properties":{"b":{"$ref":"b"},"c":{"$ref":"https://elsewhere.example/c"}}}`,
      [B]: NUMBER,
      'https://s.example/d': '{"$ref":"b"}',
      'https://s.example/e': '{"$ref":"f"}',
      'https://s.example/f': { kind: 'away', why: 'down' },
      'https://s.example/g': '{"$ref":"h"}',
      'https://s.example/h': '{"$ref":"g"}',
    });
    expect(await schemas.check(A, '{"b":1}')).toMatchObject({
      kind: 'unusable',
      why: expect.stringContaining('elsewhere') as string,
    });
    expect(await schemas.check('https://s.example/d', '"x"')).toMatchObject({ kind: 'invalid' });
    expect(await schemas.check('https://s.example/e', '1')).toMatchObject({
      kind: 'away',
      why: expect.stringContaining('down') as string,
    });
    expect(await schemas.check('https://s.example/g', '1')).toMatchObject({ kind: 'unusable' });
    // Each was fetched once, though several schemas refer to it.
    expect(world.finds.filter((uri) => uri === B)).toHaveLength(1);
  });

  it('that refers to ever more is given up', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`https://s.example/${i}`, `{"$ref":"${i + 1}"}`]),
    );
    const { schemas, world } = open(many);
    expect(await schemas.check('https://s.example/0', '1')).toMatchObject({
      kind: 'unusable',
      why: expect.stringContaining('too many') as string,
    });
    expect(world.finds.length).toBeLessThan(60);
  });

  it.each(['__proto__', 'constructor', 'toString'])('may refer to %s, which is a name as any other', async (name) => {
    const { schemas } = open({ [A]: `{"$ref":"${name}"}`, [B]: `{"$ref":"urn:x:${name}"}` });
    expect(await schemas.check(A, '1')).toMatchObject({
      kind: 'unusable',
      why: expect.stringContaining(name) as string,
    });
    expect(await schemas.check(B, '1')).toMatchObject({ kind: 'unusable' });
  });

  it('whose source fails in a way that nobody thought of counts as away, and is tried again', async () => {
    const { schemas, world, uris } = open({ [A]: () => Promise.reject(new Error('oops')) });
    expect(await schemas.check(A, '1')).toMatchObject({ kind: 'away', why: expect.stringContaining('oops') as string });
    uris[A] = NUMBER;
    world.nowMs = 31_000;
    expect(await schemas.check(A, '1')).toEqual({ kind: 'valid' });
  });

  it('that refers to more than it may has none of them fetched', async () => {
    const references = Array.from({ length: 60 }, (_, i) => ({ $ref: `x${i}` }));
    const { schemas, world } = open({ [A]: JSON.stringify({ allOf: references }) });
    expect(await schemas.check(A, '1')).toMatchObject({ why: expect.stringContaining('too many') as string });
    expect(world.finds).toEqual([A]);
  });

  it('that was not asked for, because there was too much to do, is asked for by the next event', async () => {
    const { schemas, uris, world } = open({ [A]: { kind: 'away', why: 'busy', isBusy: true }, [B]: NUMBER });
    await schemas.check(B, '1');
    expect(await schemas.check(A, '1')).toMatchObject({ kind: 'away' });
    uris[A] = NUMBER;
    expect(await schemas.check(A, '1')).toEqual({ kind: 'valid' });
    // One that is known is not forgotten for that.
    uris[B] = { kind: 'away', why: 'busy', isBusy: true };
    world.nowMs = 400_000;
    expect(await schemas.check(B, '1')).toEqual({ kind: 'valid' });
    expect(schemas.check(B, '1')).toEqual({ kind: 'valid' });
  });

  it('that never changes is kept for ever only if it is one', async () => {
    const { schemas, world, uris } = open({ [A]: '<html>', [B]: '{"allOf":[{"$ref":"a"}]}' });
    world.keeps = 'forever';
    expect(await schemas.check(A, '1')).toMatchObject({ kind: 'unusable' });
    expect(await schemas.check(B, '1')).toMatchObject({ kind: 'unusable' });
    uris[A] = NUMBER;
    world.nowMs = 31_000;
    expect(await schemas.check(B, '1')).toEqual({ kind: 'valid' });
    expect(await schemas.check(A, '1')).toEqual({ kind: 'valid' });
    uris[A] = '{"type":"string"}';
    world.nowMs = 1e12;
    expect(await schemas.check(`${A}#`, '1')).toEqual({ kind: 'valid' });
  });

  it('may be a part of a document', async () => {
    const { schemas, world } = open({ [A]: `{"definitions":{"x":${NUMBER},"y":{"type":"string"}}}` });
    expect(await schemas.check(`${A}#/definitions/x`, '"x"')).toMatchObject({ kind: 'invalid' });
    expect(await schemas.check(`${A}#/definitions/y`, '"x"')).toMatchObject({ kind: 'valid' });
    expect(await schemas.check(`${A}#/definitions/z`, '"x"')).toMatchObject({ kind: 'unusable' });
    expect(world.finds).toEqual([A]);
  });
});

describe('an evaluation that may take long', () => {
  const EVIL = JSON.stringify({ pattern: '^(?=a)(a+)+$' });

  it('goes to a thread, which is replaced at its deadline', async () => {
    const { schemas, world } = open({ [A]: EVIL });
    /** A thread that gets no processor says nothing about the data: it is asked again, as a sender would. */
    const judged = async (data: string): Promise<unknown> => {
      for (;;) {
        const verdict = await schemas.check(A, data);
        if (verdict.kind !== 'away') return verdict;
        expect(verdict.why).toContain('too busy');
      }
    };
    expect(await judged('"aaa"')).toEqual({ kind: 'valid' });
    let turns = 0;
    const turning = setInterval(() => (turns += 1), 10);
    expect(await judged(JSON.stringify(`${'a'.repeat(40)}!`))).toMatchObject({
      kind: 'unusable',
      why: expect.stringContaining('too long') as string,
    });
    clearInterval(turning);
    // Meanwhile this process went on with its work.
    expect(turns).toBeGreaterThan(10);
    expect(await judged('"b"')).toMatchObject({ kind: 'invalid', keyword: 'pattern' });
    expect(world.threaded.filter((ended) => !ended.endsWith(' late'))).toEqual([
      ...['compile done', 'evaluate done', 'evaluate overrun', 'evaluate done'],
    ]);
  });

  it('holds up no schema that is evaluated inline', async () => {
    const { schemas } = open({ [A]: EVIL, [B]: NUMBER });
    await schemas.check(B, '1');
    const slow = schemas.check(A, JSON.stringify(`${'a'.repeat(40)}!`));
    expect(schemas.check(B, '1')).toEqual({ kind: 'valid' });
    expect(await slow).toMatchObject({ kind: 'unusable' });
  });

  it('together with others of its message, goes to the thread too', async () => {
    const { schemas, world } = open({ [A]: '{"uniqueItems":true}', [B]: NUMBER });
    const data = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => ({ i })));
    const allowance = newAllowance();
    await schemas.check(A, data, allowance);
    let inline = 0;
    // Each one is short.
    while (inline < 1_000 && !(schemas.check(A, data, allowance) instanceof Promise)) inline += 1;
    expect(inline).toBeLessThan(1_000);
    expect(await schemas.check(A, data, allowance)).toEqual({ kind: 'valid' });
    expect(schemas.check(A, data)).toEqual({ kind: 'valid' });
    // One that waited for its schema is no exception.
    expect(await schemas.check(B, '1', { inlineMs: 0, untilMs: Infinity })).toEqual({ kind: 'valid' });
    expect(world.threaded.filter((job) => job === 'evaluate done').length).toBeGreaterThan(1);
  });

  it('is not begun when nobody waits for it any more', async () => {
    const { schemas, world } = open({ [A]: EVIL });
    expect(await schemas.check(A, '"aaa"', newAllowance(performance.now() - 1))).toMatchObject({ kind: 'away' });
    expect(world.threaded).toEqual(['compile done', 'evaluate late']);
  });

  it('with data that is nested too deep fails, and nothing else', async () => {
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    const { schemas } = open({ [A]: '{"items":{"$ref":"#"}}', [B]: '{"uniqueItems":true}' });
    expect(await schemas.check(A, deep)).toMatchObject({ kind: 'failed' });
    expect(await schemas.check(A, '[[]]')).toEqual({ kind: 'valid' });
    expect(await schemas.check(B, `[${deep},${deep}]`)).toMatchObject({ kind: 'failed' });
  });

  it('that wants too much memory ends with its thread', async () => {
    const bomb = JSON.stringify({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      anyOf: Array.from({ length: 200 }, () => ({ type: 'array', items: { not: {} } })),
    });
    const { schemas } = open({ [A]: bomb, [B]: NUMBER });
    const verdict = await schemas.check(A, `[${'1,'.repeat(3_000_000)}1]`);
    expect(['invalid', 'unusable']).toContain(verdict.kind);
    expect(await schemas.check(B, '1')).toEqual({ kind: 'valid' });
  });
});

it('a compilation that takes too long ends at its deadline, and others go on', async () => {
  const impatient = new SchemaThreads({ compileMs: 100 });
  const property = { allOf: Array.from({ length: 20 }, () => ({ type: 'string', enum: ['a', 'b'], pattern: 'x' })) };
  const huge = { properties: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`p${i}`, property])) };
  const request = (schema: unknown) => ({
    uri: A,
    documents: [{ uri: A, text: JSON.stringify(schema), references: {} }],
  });
  const [first, second] = await Promise.all([impatient.compile(request(huge)), impatient.compile(request(true))]);
  // A machine that gives the thread no processor ends it as late.
  expect(['overrun', 'late']).toContain(first.kind);
  // Loading the compiler takes longer than this deadline on some machines.
  expect(['done', 'overrun', 'late']).toContain(second.kind);
  await impatient.close();
});

it('a renewal that takes too long to compile leaves the version that is known in use', async () => {
  class Slow extends SchemaThreads {
    isSlow = false;
    override compile(...given: Parameters<SchemaThreads['compile']>): ReturnType<SchemaThreads['compile']> {
      return this.isSlow ? Promise.resolve({ kind: 'overrun' }) : super.compile(...given);
    }
  }
  const slow = new Slow();
  const { schemas, world } = open({ [A]: NUMBER, [B]: NUMBER }, slow);
  await schemas.check(A, '1');
  slow.isSlow = true;
  world.nowMs = 400_000;
  expect(await schemas.check(A, '1')).toEqual({ kind: 'valid' });
  expect(await schemas.check(B, '1')).toMatchObject({ kind: 'unusable' });
  await slow.close();
});

it('inline and in the thread, evaluations come to the same', async () => {
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', pattern: '^\\S+( \\S+)*$', maxLength: 8 },
      tags: { type: 'array', items: { enum: ['a', 'b', 1, null, { c: 1 }] }, uniqueItems: true },
      at: { format: 'date-time' },
      n: { type: 'integer', multipleOf: 3 },
    },
    additionalProperties: { oneOf: [{ type: 'boolean' }, { const: 0 }] },
    required: ['name'],
  };
  // The same with a part that only the thread may evaluate, and that never matters.
  const slow = { ...schema, patternProperties: { '^(?!)': false } };
  const { schemas } = open({ [A]: JSON.stringify(schema), [B]: JSON.stringify(slow) });
  await schemas.check(A, '{}');
  const text = fc.oneof(
    fc.constantFrom('a b', 'a\u00a0b', ' ', 'a', 'é ü', '2026-11-29T00:00:00Z'),
    fc.string({ maxLength: 10 }),
  );
  const data = fc.oneof(
    fc.record(
      {
        name: fc.oneof(text, fc.integer()),
        tags: fc.array(fc.constantFrom('a', 'b', 1, null, { c: 1 }, { c: 2 }), { maxLength: 4 }),
        at: text,
        n: fc.oneof(fc.integer(), fc.double({ noNaN: true })),
        other: fc.constantFrom(true, 0, 1, 'x'),
        toString: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
    fc.jsonValue(),
  );
  let invalid = 0;
  await fc.assert(
    fc.asyncProperty(data, async (value) => {
      const json = JSON.stringify(value);
      const inline = schemas.check(A, json);
      expect(inline).not.toBeInstanceOf(Promise);
      if ((inline as Verdict).kind === 'invalid') invalid += 1;
      expect(await schemas.check(B, json)).toEqual(inline);
    }),
    { numRuns: 500 },
  );
  expect(invalid).toBeGreaterThan(50);
  expect(isShort({ perByte: Infinity, perPair: 0 }, 1)).toBe(false);
});

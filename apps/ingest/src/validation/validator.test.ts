import type { ValidationResult, ValidatorSettings, Verdict } from '@sink/schemas';
import { expect, it } from 'vitest';
import { invalidData } from './refusals.ts';

const { Validator } = await import('@sink/schemas');

const URIS: Readonly<Record<string, Verdict>> = {
  'urn:valid': { kind: 'valid' },
  'urn:invalid': { kind: 'invalid', at: '/lines/1', keyword: 'type', message: 'must be string' },
  'urn:absent': { kind: 'absent', why: 'none' },
  'urn:unusable': { kind: 'unusable', why: 'it is Avro' },
  'urn:failed': { kind: 'failed', why: 'too deep' },
  'urn:away': { kind: 'away', why: 'down' },
};

function validator(settings: Partial<ValidatorSettings> = {}) {
  const counted: ValidationResult[] = [];
  const asked: string[] = [];
  const waiting = new Map<string, (verdict: Verdict) => void>();
  const made = new Validator(
    { mode: 'known', onAway: 'accept', ...settings },
    {
      count: (result) => void counted.push(result),
      schemas: {
        check: (uri, data) => {
          asked.push(data);
          const known = URIS[uri];
          return known ?? new Promise((resolve) => waiting.set(uri, resolve));
        },
      },
    },
  );
  return { made, counted, asked, waiting };
}

function event(dataschema: string | null, data: unknown = {}): string {
  return JSON.stringify({
    specversion: '1.0',
    id: '1',
    ...(dataschema !== null && { dataschema }),
    data,
  });
}

const EACH = [null, ...Object.keys(URIS)].map((uri) => event(uri));

it('known: only what fails its schema is invalid', () => {
  const { made, counted } = validator();
  expect(made.check(EACH, 1_000)).toEqual({
    kind: 'invalid',
    events: [{ index: 2, message: 'its data at "/lines/1" must be string (type in "urn:invalid")' }],
  });
  expect(counted).toEqual(['no_schema', 'valid', 'invalid', 'not_found', 'unusable', 'unusable', 'away']);
  expect(made.check(EACH.slice(0, 2), 1_000)).toEqual({ kind: 'conform' });
});

it('strict: so is what no schema says anything of', () => {
  const { made } = validator({ mode: 'strict' });
  const judged = made.check([...EACH, '{"id":"1","dataschema":"urn:valid"}'], 1_000);
  if (judged instanceof Promise || judged.kind !== 'invalid') throw new Error('it waits, or it is valid');
  expect(judged.events.map(({ index, message }) => `${index} ${message}`)).toEqual([
    '0 it has no dataschema',
    '2 its data at "/lines/1" must be string (type in "urn:invalid")',
    '3 its dataschema "urn:absent" is not found: none',
    '4 its dataschema "urn:unusable" cannot be used: it is Avro',
    '5 its dataschema "urn:failed" cannot be used: too deep',
    '7 its data is absent or not JSON, and its dataschema is a JSON Schema',
  ]);
});

it('while a schema is away, its events are accepted or all of the message is refused', () => {
  const { made } = validator({ mode: 'strict', onAway: 'refuse' });
  expect(made.check(EACH, 1_000)).toEqual({ kind: 'away', why: '"urn:away": down' });
  expect(validator({ mode: 'strict', onAway: 'accept' }).made.check([event('urn:away')], 1_000)).toEqual({
    kind: 'conform',
  });
});

it('events whose schemas are not at hand wait, each for its own, and no longer than they may', async () => {
  const { made, waiting, counted } = validator();
  const judged = made.check([event('urn:later'), event('urn:invalid'), event('urn:never')], 50);
  expect(judged).toBeInstanceOf(Promise);
  waiting.get('urn:later')?.({
    kind: 'invalid',
    at: '',
    keyword: 'required',
    message: "must have required property 'a'",
  });
  expect(await judged).toEqual({
    kind: 'invalid',
    events: [
      { index: 0, message: `its data must have required property 'a' (required in "urn:later")` },
      { index: 1, message: 'its data at "/lines/1" must be string (type in "urn:invalid")' },
    ],
  });
  expect(counted.toSorted()).toEqual(['away', 'invalid', 'invalid']);
  const refusing = validator({ onAway: 'refuse' });
  expect(await refusing.made.check([event('urn:never')], -5)).toMatchObject({ kind: 'away' });
});

it('the events of a message have one allowance, which ends with their time', () => {
  const seen = new Set<{ readonly inlineMs: number; readonly untilMs: number }>();
  const made = new Validator(
    { mode: 'known', onAway: 'accept' },
    {
      count: () => undefined,
      schemas: {
        check: (_uri, _data, allowance) => {
          seen.add(allowance);
          return { kind: 'valid' };
        },
      },
    },
  );
  const before = performance.now();
  void made.check([event('urn:a'), event('urn:b'), event('urn:a')], 60_000);
  expect(seen.size).toBe(1);
  expect([...seen][0]?.untilMs).toBeGreaterThanOrEqual(before + 60_000);
  void made.check([event('urn:a')], 1_000);
  expect(seen.size).toBe(2);
});

it('what fails in a way that nobody thought of counts as away', async () => {
  const failing = (check: () => Promise<Verdict>) =>
    new Validator({ mode: 'strict', onAway: 'refuse' }, { count: () => undefined, schemas: { check } });
  const away = { kind: 'away', why: expect.stringContaining('oops') as string };
  expect(await failing(() => Promise.reject(new Error('oops'))).check([event('urn:a')], 1_000)).toMatchObject(away);
  const throwing = failing(() => {
    throw new Error('oops');
  });
  expect(throwing.check([event('urn:a')], 1_000)).toMatchObject(away);
});

it('data is looked at only if there is a schema for it', () => {
  const { made, asked } = validator();
  void made.check([event(null, { secret: 1 }), event('urn:valid', { a: 1 })], 1_000);
  expect(asked).toEqual(['{"a":1}']);
});

it('the answer names the first invalid event, its place and how many more there are', () => {
  const events = [
    { index: 3, message: 'its data must be object (type in "urn:a")' },
    { index: 5, message: 'x' },
  ];
  expect(invalidData(events, 9)).toMatchObject({
    status: 400,
    reason: 'schema',
    message: 'batch element 3: its data must be object (type in "urn:a"); and 1 more',
  });
  expect(invalidData(events.slice(0, 1), 1).message).toBe('its data must be object (type in "urn:a")');
});

import { expect, test } from 'vitest';
import type { Attribute } from './event-view.ts';
import { checkFilter, compileFilter, type FilterErrorKind, FilterSpecError } from './filter.ts';

const ORDER: Readonly<Record<string, Attribute>> = {
  specversion: '1.0',
  id: '1',
  source: '/shop/berlin',
  type: 'com.example.order.created',
  tenant: 'acme',
  hops: 7,
  test: false,
};

function matches(spec: unknown, event: Readonly<Record<string, Attribute>> = ORDER): boolean {
  const attributes = new Map(Object.entries(event));
  return compileFilter(spec).matches({ get: (name) => attributes.get(name) });
}

test.each<[string, unknown, boolean]>([
  ['exact', { exact: { tenant: 'acme' } }, true],
  ['exact, another case', { exact: { tenant: 'Acme' } }, false],
  ['exact, two attributes', { exact: { tenant: 'acme', source: '/shop/berlin' } }, true],
  ['exact, one of two', { exact: { tenant: 'acme', source: '/shop' } }, false],
  ['exact, an integer and a boolean', { exact: { hops: '7', test: 'false' } }, true],
  ['exact, a missing attribute', { exact: { subject: 'undefined' } }, false],
  ['prefix', { prefix: { type: 'com.example.' } }, true],
  ['prefix, longer', { prefix: { type: 'com.example.order.created.twice' } }, false],
  ['prefix, a missing attribute', { prefix: { subject: 'u' } }, false],
  ['suffix', { suffix: { type: '.created' } }, true],
  ['suffix, not', { suffix: { type: 'com' } }, false],
  ['all', { all: [{ exact: { tenant: 'acme' } }, { prefix: { source: '/shop' } }] }, true],
  ['all, one of two', { all: [{ exact: { tenant: 'acme' } }, { prefix: { source: '/x' } }] }, false],
  ['any, one of two', { any: [{ exact: { tenant: 'x' } }, { prefix: { source: '/shop' } }] }, true],
  ['any, none', { any: [{ exact: { tenant: 'x' } }] }, false],
  ['not', { not: { exact: { tenant: 'x' } } }, true],
  ['not, a missing attribute', { not: { exact: { subject: 'x' } } }, true],
  ['inside each other', { not: { any: [{ not: { all: [{ suffix: { id: '1' } }] } }] } }, true],
  ['sql', { sql: "type LIKE 'com.example.%' AND tenant IN ('acme', 'umbrella') AND hops < 10" }, true],
  ['sql, an attribute that is true or false', { sql: 'test' }, false],
  ['sql with an error', { sql: "subject = 'x' OR TRUE" }, false],
  ['not of sql with an error', { not: { sql: "subject = 'x'" } }, true],
])('%s', (_, spec, expected) => {
  expect(matches(spec)).toBe(expected);
});

test.each<[unknown, string]>([
  [null, 'a mapping with one of exact, prefix, suffix, all, any, not, sql'],
  [{}, 'a mapping with one of exact, prefix, suffix, all, any, not, sql'],
  [
    { exact: { id: '1' }, prefix: { id: '1' } },
    'a mapping with one of exact, prefix, suffix, all, any, not, sql; for several, write all: [{ exact: … }, { prefix: … }]',
  ],
  [{ regex: { id: '1' } }, 'regex: not a dialect: one of exact, prefix, suffix, all, any, not, sql'],
  [{ exact: {} }, 'exact: a mapping from attributes to text'],
  [{ exact: 'x' }, 'exact: a mapping from attributes to text'],
  [{ exact: { hops: 7 } }, "exact.hops: text that is not empty: write '7'"],
  [{ prefix: { id: '' } }, 'prefix.id: text that is not empty'],
  [
    { exact: { Tenant: 'x' } },
    'exact.Tenant: not the name of a context attribute: lower-case letters and digits, and not "data"',
  ],
  [
    { suffix: { data: 'x' } },
    'suffix.data: not the name of a context attribute: lower-case letters and digits, and not "data"',
  ],
  [{ all: [] }, 'all: a list of filters, at least one'],
  [{ any: { exact: { id: '1' } } }, 'any: a list of filters, at least one'],
  [{ all: [{ exact: { id: '1' } }, { not: { sql: 7 } }] }, 'all.1.not.sql: an expression of CloudEvents SQL, as text'],
  [
    { any: [{ sql: 'type = "a' }, { exact: { id: 1 } }] },
    "any.0.sql: character 8: the text that begins here has no end: close it with \"\nany.1.exact.id: text that is not empty: write '1'",
  ],
  [
    { sql: 'LENGTH(type)' },
    'sql: character 1: the expression gives an Integer, and a filter needs true or false: compare it',
  ],
])('%j is refused', (spec, message) => {
  expect(() => compileFilter(spec)).toThrow(new FilterSpecError(checkFilter(spec)));
  expect(new FilterSpecError(checkFilter(spec)).message).toBe(message);
});

test('filters are not nested without an end', () => {
  let spec: unknown = { exact: { id: '1' } };
  for (let depth = 0; depth < 30; depth += 1) spec = { not: spec };
  expect(checkFilter(spec)).toEqual([]);
  for (let depth = 0; depth < 5; depth += 1) spec = { not: spec };
  expect(checkFilter(spec)).toMatchObject([{ message: 'at most 32 filters inside each other' }]);
});

test('a filter says which attributes it looks at', () => {
  const { attributes } = compileFilter({
    any: [{ sql: "EXISTS tenant AND LEFT(subject, 3) = 'abc' AND EXISTS id" }, { exact: { type: 'x', source: 'y' } }],
  });
  expect(attributes).toEqual(['source', 'subject', 'tenant', 'type']);
});

test('errors of an expression are told once for each event, with their kind', () => {
  const kinds: FilterErrorKind[] = [];
  const told = (sql: string): boolean =>
    compileFilter({ sql }, (kind) => kinds.push(kind)).matches({ get: (name) => ORDER[name] });
  expect(told("subject = 'x'")).toBe(false);
  expect(told('tenant < 3')).toBe(false);
  expect(told('1 / (hops - 7) = 0')).toBe(false);
  expect(told("LEFT(tenant, -1) = 'a'")).toBe(false);
  expect(told('tenant')).toBe(false);
  expect(told("tenant = 'acme' OR subject = 'x'")).toBe(true);
  expect(kinds).toEqual(['missingAttribute', 'cast', 'math', 'functionEvaluation', 'generic']);
});

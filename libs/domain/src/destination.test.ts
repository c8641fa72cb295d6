import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_ROUTE, destinationKey, isPlain, isRoute, isSafePath, QUARANTINE_ROUTE } from './destination.ts';

test.each([
  [DEFAULT_ROUTE, true],
  [QUARANTINE_ROUTE, true],
  ['billing-2', true],
  ['a'.repeat(40), true],
  ['a'.repeat(41), false],
  ['_billing', false],
  ['Billing', false],
  ['', false],
  ['a/b', false],
  ['a b', false],
])('the route %j: %s', (route, expected) => {
  expect(isRoute(route)).toBe(expected);
});

describe('a path', () => {
  test.each(['2026/11/23/10', 'tenant=a%2Fb/year=2026', 'a', 'a.b/~c/d_e/+-', '...', '.hidden/a..b'])(
    '%j is safe',
    (path) => {
      expect(isSafePath(path)).toBe(true);
    },
  );

  test.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/..',
    '../a',
    'a/./b',
    'a b',
    'a\\b',
    'a\nb',
    'a\n',
    'é',
    'a?b',
    'a#b',
    'a:b',
  ])('%j is not', (path) => {
    expect(isSafePath(path)).toBe(false);
  });

  test('has 900 bytes at most', () => {
    expect(isSafePath(`${'a/'.repeat(449)}ab`)).toBe(true);
    expect(isSafePath(`${'a/'.repeat(450)}a`)).toBe(false);
  });

  test('that is safe stays within its folder, as a file and in a URL', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', '.', '/', '~', '=', '+', '-'), maxLength: 12 }),
        (path) => {
          fc.pre(isSafePath(path));
          expect(posix.join('/root', path, 'x')).toBe(`/root/${path}/x`);
          expect(new URL(`https://bucket/root/${path}/x`).pathname).toBe(`/root/${path}/x`);
        },
      ),
    );
  });
});

test.each([
  [DEFAULT_ROUTE, '2026/11/23/10', true],
  [DEFAULT_ROUTE, '2026/11/23', true],
  [DEFAULT_ROUTE, '2026/11/31', false],
  [DEFAULT_ROUTE, 'tenant/2026/11/23/10', false],
  [QUARANTINE_ROUTE, '2026/11/23/10', false],
  ['billing', '2026/11/23/10', false],
])('version 1 can say the route %s and the path %s: %s', (route, path, expected) => {
  expect(isPlain({ route, path })).toBe(expected);
});

test('destinations with one key are the same', () => {
  const key = destinationKey({ route: 'a', path: 'b/c' });
  expect(key).not.toBe(destinationKey({ route: 'a-b', path: 'c' }));
  expect(key).not.toBe(destinationKey({ route: DEFAULT_ROUTE, path: 'b/c' }));
});

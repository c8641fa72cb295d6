import { loadConfig } from '@sink/config';
import { expect, test } from 'vitest';
import { openRouter } from './open-router.ts';

const NOW_MS = Date.UTC(2026, 10, 23, 10, 30);
const ROUTES = `
routes:
  - { name: noise, filter: { prefix: { type: debug. } }, drop: true }
  - { name: audit, filter: { any: [{ exact: { tenant: a } }, { suffix: { source: /audit } }] }, path: 'tenant={ext.tenant|none}' }
  - { name: big, filter: { sql: "EXISTS size AND size > 10" } }
  - { name: never, filter: { exact: { tenant: a } } }
`;

function load(text: string) {
  return loadConfig({ file: '/c.yml', env: {}, readText: (path) => (path === '/c.yml' ? { text } : 'missing') });
}

function event(id: string, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ specversion: '1.0', id, source: '/s', type: 't', ...more });
}

function routed(lines: readonly string[], failures: string[] = []) {
  const config = load(ROUTES);
  const router = openRouter(config, config, (route) => void failures.push(route));
  if (router === null) throw new Error('there is no router');
  return router.route(lines, NOW_MS);
}

const idsOf = (lines: readonly string[]) => lines.map((line) => (JSON.parse(line) as { id: string }).id);

test('each event takes the first route that matches, by its path there; what matches none goes the default way', () => {
  const { parts, dropped } = routed([
    event('1'),
    event('2', { type: 'debug.x', tenant: 'a' }),
    event('3', { tenant: 'a' }),
    event('4', { source: '/x/audit', tenant: 'b/../c' }),
    event('5', { size: 11 }),
    event('6', { size: 10 }),
    event('7', { tenant: 'a', size: 12 }),
    event('8', { data: { tenant: 'a' } }),
  ]);
  expect(parts.map(({ route, path, lines }) => [route, path, idsOf(lines)])).toEqual([
    ['_default', '2026/11/23/10', ['1', '6', '8']],
    ['audit', 'tenant=a', ['3', '7']],
    ['audit', 'tenant=b%2F..%2Fc', ['4']],
    ['big', '2026/11/23/10', ['5']],
  ]);
  expect(dropped).toEqual(['noise']);
});

test('a request with dropped events alone has no part', () => {
  expect(routed([event('1', { type: 'debug.a' }), event('2', { type: 'debug.b' })])).toEqual({
    ...{ parts: [], aside: [], dropped: ['noise', 'noise'] },
  });
});

test('an expression that fails matches nothing, and the error is told with its route', () => {
  const failures: string[] = [];
  const { parts } = routed([event('1', { size: 'many' })], failures);
  expect(parts).toMatchObject([{ route: '_default' }]);
  expect(new Set(failures)).toEqual(new Set(['big']));
});

test('without routes and with the default folders there is no router', () => {
  const config = load('port: 1');
  expect(openRouter(config, config)).toBeNull();
});

test('a mistake in a filter names its place', () => {
  const wrong = `
routes:
  - { name: a, filter: { all: [{ exact: { type: 5 } }, { sql: "1 +" }] } }
  - { name: b, filter: { glob: x } }
`;
  expect(() => load(wrong)).toThrow(/routes\[0\]\.filter\.all\[0\]\.exact\.type: given 5/);
  expect(() => load(wrong)).toThrow(/routes\[0\]\.filter\.all\[1\]\.sql: given "1 \+"/);
  expect(() => load(wrong)).toThrow(/routes\[1\]\.filter\.glob: given "x"/);
});

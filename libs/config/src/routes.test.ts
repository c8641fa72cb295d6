import { expect, test } from 'vitest';
import { jsonSchema } from './reference.ts';
import { configOfRoute, configOfRouteNamed } from './resolve-routes.ts';
import { routesOf } from './routes-of.ts';
import { AT, loadText, mistakesIn } from './test/load-text.ts';

const TOP = `
bucket: events
region: us-west-2
prefix: all/
compression: zstd
compression_level: 19
flush_bytes: 1MiB
`;

const load = (text: string, env?: Readonly<Record<string, string>>) => loadText(TOP + text, env);
const said = (text: string): string[] => mistakesIn(TOP + text);

test('a target of a route lifts the limits that nothing gives', () => {
  const [own, bounded] = load(
    'routes: [{ name: a, target_object_size: 1MiB }, { name: b, target_object_size: 1MiB, flush_size: 7 }]',
  ).routes;
  // TOP gives flush_bytes.
  expect(own?.own).toEqual({ targetObjectSize: 1024 ** 2, flushSize: 10_000_000 });
  expect(bounded?.own).toEqual({ targetObjectSize: 1024 ** 2, flushSize: 7 });
  const config = load('routes: [{ name: a, target_object_size: 1MiB }]');
  expect(routesOf(config).get('a')).toMatchObject({ targetObjectBytes: 1024 ** 2, flushSize: 10_000_000 });
});

const THREE = `
routes:
  - { name: noise, filter: { prefix: { type: debug. } }, drop: true }
  - name: audit
    filter: { exact: { some: Some_Value } }
    bucket: audit-log
    prefix: ''
    compression: gzip
    Flush_Size: "5"
    scheduledInterval: 5m
  - { name: rest }
`;

test('a route says what it says, in any spelling of its keys, and has the rest from the top level', () => {
  const config = load(THREE);
  const [noise, audit, rest] = config.routes;
  if (!noise || !audit || !rest) throw new Error('there are three routes');
  expect(noise).toMatchObject({ name: 'noise', filter: { prefix: { type: 'debug.' } }, drop: true, own: {} });
  expect(audit.filter).toEqual({ exact: { some: 'Some_Value' } });
  expect(rest).toEqual({ name: 'rest', filter: null, drop: false, own: {} });
  const ofAudit = configOfRoute(config, audit);
  expect(ofAudit).toMatchObject({
    ...{ prefix: '', compression: 'gzip', flushSize: 5, scheduledIntervalMs: 300_000, flushBytes: 1024 * 1024 },
    bucket: { kind: 's3', name: 'audit-log', region: 'us-west-2' },
  });
  expect(ofAudit).not.toHaveProperty('compressionLevel');
  expect(configOfRoute(config, rest)).toEqual(config);
});

test('the routes of a process are the built-in ones and those that store, with what they say themselves', () => {
  const routes = routesOf(load(THREE));
  expect([...routes.keys()]).toEqual(['_default', '_quarantine', 'audit', 'rest']);
  expect(routes.get('audit')).toEqual({
    ...{ bucket: 'audit-log', prefix: '', endsWithSlot: true },
    ...{ compression: 'gzip', flushSize: 5, scheduledIntervalMs: 300_000 },
  });
  expect(routes.get('rest')).toEqual({ bucket: 'events', prefix: 'all/', endsWithSlot: true });
});

test('in the environment the routes are JSON, and without the key there are none', () => {
  expect(load('').routes).toEqual([]);
  expect(load('', { SINK_ROUTES: '[{"name":"a","bucket":"file:///b"}]' }).routes).toMatchObject([
    { name: 'a', own: { bucket: { kind: 'file', directory: '/b' } } },
  ]);
});

test('each mistake names its place', () => {
  const wrong = `
routes:
  - { name: Audit }
  - { name: a, flush_size: 0 }
  - { name: c, bukket: x }
  - { name: b, drop: true, bucket: some-bucket, filter: { exact: { type: b } } }
`;
  expect(said(wrong)).toEqual([
    `  routes[0].name: given "Audit" (${AT}); allowed: 1 to 40 lower-case letters, digits and hyphens`,
    `  routes[1].flush_size: given 0 (${AT}); allowed: a whole number from 1 to 10000000`,
    expect.stringContaining('  routes[2].bukket: given a key that does not exist'),
    `  routes[3].bucket: given "some-bucket" (${AT}); allowed: nothing in a route with drop: true, which stores nothing`,
  ]);
  const [dropsAll] = said('routes: [{ name: a, drop: true, filter: }]');
  expect(dropsAll).toContain('routes[0].filter');
  expect(dropsAll).toContain('drop: true without a filter would drop every event');
  expect(said('routes: [{ name: a }, { name: a }]')).toEqual([
    `  routes[1].name: given "a" (${AT}); allowed: a name that no other route has`,
  ]);
  expect(said('routes: [{ name: a, bucket: No_Bucket, compression: gzip, compression_level: 10 }]')).toEqual([
    `  routes[0].compression_level: given 10 (${AT}); allowed: 1 to 9 with compression: gzip`,
    expect.stringContaining('  routes[0].bucket: given "No_Bucket"'),
  ]);
});

test('the JSON Schema knows the keys of a route, without defaults', () => {
  expect(jsonSchema()).toMatchObject({
    properties: {
      routes: {
        items: {
          additionalProperties: false,
          required: ['name'],
          properties: { flush_size: { type: 'integer', maximum: 10_000_000 } },
        },
      },
    },
  });
  expect(JSON.stringify(jsonSchema()).match(/"flush_size":\{[^}]*"default"/g)).toHaveLength(1);
});

test('a retired route has the rules of its target, which stores events', () => {
  const config = load(`${THREE}routes_retired: { old: audit, noise: rest, older: _default }\n`);
  expect(config.routesRetired).toEqual({ old: 'audit', noise: 'rest', older: '_default' });
  const routes = routesOf(config);
  expect(routes.get('old')).toEqual({ ...routes.get('audit'), storedAs: 'audit' });
  expect(routes.get('noise')).toMatchObject({ bucket: 'events', storedAs: 'rest' });
  // What is sealed of it is put as the objects of its target are.
  expect(configOfRouteNamed(config, 'old')).toEqual(configOfRouteNamed(config, 'audit'));
  expect(configOfRouteNamed(config, 'older')).toEqual(config);
  expect(routes.get('older')).toMatchObject({ bucket: 'events', prefix: 'all/', storedAs: '_default' });
  expect(load('', { SINK_ROUTES_RETIRED: 'a=_default,b=_default' }).routesRetired).toEqual({
    ...{ a: '_default', b: '_default' },
  });
  expect(said(`${THREE}routes_retired: { audit: rest, old: noise, other: gone }\n`)).toEqual([
    `  routes_retired.audit: given "rest" (${AT}); allowed: a name that is not in routes, or that of a route with drop: true, which stores nothing`,
    `  routes_retired.old: given "noise" (${AT}); allowed: the name of one of routes that stores events, or _default`,
    `  routes_retired.other: given "gone" (${AT}); allowed: the name of one of routes that stores events, or _default`,
  ]);
});

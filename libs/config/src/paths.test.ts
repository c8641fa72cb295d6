import { describe, expect, test } from 'vitest';
import { layoutOf } from './resolve-paths.ts';
import { configOfRoute } from './resolve-routes.ts';
import { routesOf } from './routes-of.ts';
import { loadText, mistakesIn } from './test/load-text.ts';

const TOP = 'bucket: events\nregion: us-west-2\n';
const load = (text: string) => loadText(TOP + text);
const said = (text: string): string => mistakesIn(TOP + text).join('\n');

test('the defaults are those of the original connector', () => {
  expect(load('')).toMatchObject({
    ...{ path: 'vanus', timeInterval: 'HOURLY', partitionTime: 'accepted', timeZone: 'UTC' },
    ...{ lateAfterMs: 86_400_000, earlyAfterMs: 3_600_000, maxPartitions: 1_000 },
  });
  expect(routesOf(load('')).get('_default')).toEqual({ bucket: 'events', prefix: '', endsWithSlot: true });
});

describe('mistakes', () => {
  test.each([
    ['path: a/{type}\ntime_interval: DAILY', 'time_interval: given "DAILY"', 'nothing beside a template'],
    ['path: a/{type}\ntime_interval: HOURLY', 'time_interval: given "HOURLY"', 'nothing beside a template'],
    ['path: a/{subject}', 'path: given', 'it needs a default, as in {subject|none} (at character 4)'],
    ['path: "{type}/a"', 'path: given', 'begins with text or time'],
    ['path: Hive', 'path: given', ''],
    ['time_zone: Mars/Olympus', 'time_zone: given', 'a zone of the IANA database'],
    ['time_interval: MINUTES_7', 'time_interval: given', 'MINUTES_10'],
    ['partition_time: received', 'partition_time: given', 'accepted, event'],
    ['late_after: 0s', 'late_after: given', 'from 1 s'],
    ['early_after: 87601h', 'early_after: given', ''],
    ['max_partitions: 0', 'max_partitions: given', 'from 1'],
    ['routes: [{ name: a, path: "x/{subject}" }]', 'routes[0].path: given', 'needs a default'],
    ['routes: [{ name: a, path: "x/{type}", time_interval: DAILY }]', 'routes[0].time_interval: given', 'a template'],
    ['routes: [{ name: a, time_zone: Nowhere/At_All }]', 'routes[0].time_zone: given', 'IANA'],
  ])('%s', (text, given, allowed) => {
    if (text === 'path: Hive') return expect(load(text).path).toBe('Hive');
    expect(said(text)).toContain(given);
    expect(said(text)).toContain(allowed);
  });

  test('a key has 1,024 bytes at most, whatever values events have: folders, prefix and name included', () => {
    const template = 'a/{type}/{source}/{subject|none}/{ext.a|none}';
    const path = `path: ${template}`;
    expect(said(path)).toBe('');
    expect(said(`${path}/{ext.b|none}`)).toContain('this one may have 911');
    // 1,024 less the folder other/, a slash and a name of 117 bytes.
    const room = 1_024 - layoutOf(load(path)).pathBytesMax - 1 - 117;
    expect(said(`${path}\nprefix: ${'p'.repeat(room)}`)).toBe('');
    expect(said(`${path}\nprefix: ${'p'.repeat(room + 1)}`)).toContain('with prefix and name 1025');
    expect(said(`routes: [{ name: a, path: '${template}', prefix: ${'é'.repeat(room / 2 + 1)} }]`)).toContain(
      'routes[0].path',
    );
  });
});

test('a route says what is different, and closes at the end of a slot only if its paths have one', () => {
  const config = load(`
path: hive
time_interval: MONTHLY
routes:
  - { name: template, path: 'a/{type}', partition_time: event, late_after: 5m }
  - { name: hourly, time_interval: HOURLY, time_zone: Europe/Berlin }
  - { name: plain, path: vanus, time_interval: DAILY }
  - { name: by-event, partition_time: event }
`);
  const [template] = config.routes;
  if (!template) throw new Error('there is a route');
  expect(configOfRoute(config, template)).toMatchObject({
    path: 'a/{type}',
    partitionTime: 'event',
    lateAfterMs: 300_000,
  });
  const ends = (name: string, path: string): number | null | undefined => {
    const { endsWithSlot, slotSpan } = routesOf(config).get(name) ?? {};
    return endsWithSlot === true ? slotSpan?.(path)?.endMs : null;
  };
  expect(ends('_default', 'year=2026/month=11')).toBe(Date.UTC(2026, 11, 1));
  expect(ends('template', 'a/t')).toBeNull();
  expect(ends('hourly', 'year=2026/month=10/day=25/hour=02')).toBe(Date.UTC(2026, 9, 25, 2));
  expect(ends('by-event', 'year=2026/month=11')).toBeNull();
  expect(routesOf(config).get('plain')).not.toHaveProperty('slotSpan');
});

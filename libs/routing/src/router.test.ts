import { compileLayout, type LayoutSettings } from '@sink/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Router } from './router.ts';

const ACCEPTED = Date.UTC(2026, 10, 29, 7, 30);
const HOUR_MS = 3_600_000;

interface Given extends Partial<LayoutSettings> {
  readonly byEventTime?: boolean;
  readonly partitionsMax?: number;
  readonly knownMs?: () => number;
}

function router({ byEventTime = false, partitionsMax = 1_000, knownMs = () => 60_000, ...layout }: Given = {}): Router {
  return new Router(
    {
      route: '_default',
      layout: compileLayout({ path: 'vanus', timeInterval: 'HOURLY', timeZone: 'UTC', ...layout }),
      eventTime: byEventTime ? { lateAfterMs: 24 * HOUR_MS, earlyAfterMs: HOUR_MS } : null,
      knownMs,
    },
    partitionsMax,
  );
}

function line(members: object = {}): string {
  return JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', ...members });
}

function pathOf(one: Router, members: object, atMs = ACCEPTED): string | undefined {
  return one.route([line(members)], atMs).parts[0]?.path;
}

describe('by the time of the event', () => {
  const one = router({ byEventTime: true, path: 'hive', timeZone: 'Asia/Kolkata' });
  const ist = 'year=2026/month=11/day=29';
  test.each([
    [{}, `${ist}/hour=13`, []],
    [{ time: null }, `${ist}/hour=13`, []],
    [{ time: '2026-11-29T05:00:00.123456789Z' }, `${ist}/hour=10`, []],
    [{ time: '2026-11-29T10:30:00+05:30' }, `${ist}/hour=10`, []],
    [{ time: '2026-11-28T07:30:00Z' }, 'year=2026/month=11/day=28/hour=13', []],
    [{ time: '2026-11-28T07:29:59.999Z' }, `late/${ist}/hour=13`, ['late']],
    [{ time: '2026-11-29T08:30:00Z' }, `${ist}/hour=14`, []],
    [{ time: '2026-11-29T08:30:00.001Z' }, `late/${ist}/hour=13`, ['early']],
    [{ time: '1970-01-01T00:00:00Z' }, `late/${ist}/hour=13`, ['late']],
    [{ time: '0000-01-01T00:00:00Z' }, `late/${ist}/hour=13`, ['late']],
    [{ time: '9999-12-31T23:59:59Z' }, `late/${ist}/hour=13`, ['early']],
  ])('%j', (members, path, aside) => {
    const routed = one.route([line(members)], ACCEPTED);
    expect(routed).toEqual({ parts: [expect.objectContaining({ path, dedupe: true })], aside });
  });

  test('a leap second is in the day that it ends', () => {
    const leap = Date.UTC(2017, 0, 1);
    const daily = router({ byEventTime: true, timeInterval: 'DAILY' });
    expect(pathOf(daily, { time: '2016-12-31T23:59:60Z' }, leap)).toBe('2016/12/31');
  });
});

test('values of a path: attributes, extensions of any type, and places in the data', () => {
  const path = 'a/{type}/{source}/{subject|none}/{ext.n|none}/{ext.b|none}/{data:/order/country|none}';
  const one = router({ path });
  const data = { order: { country: 'DE' } };
  expect(pathOf(one, { subject: 'é/x', n: -7, b: true, data })).toBe('a/t/%2Fs/%C3%A9%2Fx/-7/true/DE');
  expect(pathOf(one, { subject: 'none', n: null })).toBe('a/t/%2Fs/%6Eone/none/none/none');
  const base64 = Buffer.from(JSON.stringify({ order: { country: 49 } })).toString('base64');
  expect(pathOf(one, { data_base64: base64 })).toBe('a/t/%2Fs/none/none/none/49');
  expect(pathOf(one, { data_base64: '/w==' })).toBe('a/t/%2Fs/none/none/none/none');
  expect(pathOf(one, { data: 'DE', datacontenttype: 'text/plain' })).toBe('a/t/%2Fs/none/none/none/none');
});

test('a part has the events of one path, in their order', () => {
  const one = router({ path: 'a/{type}' });
  const event = fc.record({ type: fc.constantFrom('x', 'y', '../z'), id: fc.nat().map(String) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), (events) => {
      const lines = events.map(line);
      const { parts } = one.route(lines, ACCEPTED);
      expect(parts.map(({ path }) => path)).toEqual([
        ...new Set(events.map(({ type }) => `a/${type === '../z' ? '%2E.%2Fz' : type}`)),
      ]);
      for (const part of parts) {
        expect(part.lines).toEqual(lines.filter((text) => pathOf(one, JSON.parse(text) as object) === part.path));
      }
    }),
  );
});

describe('max_partitions', () => {
  test('known paths stay, and other events go to other/ and the hour in which they were accepted', () => {
    const one = router({ path: 'a/{type}', partitionsMax: 2, timeZone: 'Asia/Kolkata' });
    const types = ['x', 'y', 'z', 'x', 'z', 'y'];
    const routed = one.route(
      types.map((type) => line({ type })),
      ACCEPTED,
    );
    expect(routed.parts.map(({ path, lines }) => [path, lines.length])).toEqual([
      ['a/x', 2],
      ['a/y', 2],
      ['other/2026/11/29/13', 2],
    ]);
    expect(routed.aside).toEqual(['other', 'other']);
  });

  test('a path is forgotten scheduled_interval after it was last appended to, as long as that is now', () => {
    let knownMs = 60_000;
    const one = router({ path: 'a/{type}', partitionsMax: 2, knownMs: () => knownMs });
    const at = (type: string, ms: number): boolean => pathOf(one, { type }, ACCEPTED + ms) === `a/${type}`;
    expect([at('x', 0), at('y', 0), at('z', 1)]).toEqual([true, true, false]);
    expect([at('x', 50_000), at('z', 59_999), at('z', 60_000)]).toEqual([true, false, true]);
    expect([at('y', 109_999), at('x', 109_999), at('y', 110_000)]).toEqual([false, true, false]);
    knownMs = 1_000;
    expect([at('y', 120_001), at('w', 120_002), at('v', 120_003)]).toEqual([true, true, false]);
  });

  test('the slot of acceptance is never refused, whatever else is known', () => {
    const one = router({ path: 'hive', partitionsMax: 1, knownMs: () => 24 * HOUR_MS });
    const hours = [0, 1, 2].map((hour) => pathOf(one, {}, ACCEPTED + hour * HOUR_MS)?.slice(-7));
    expect(hours).toEqual(['hour=07', 'hour=08', 'hour=09']);
  });

  test('events that are late count under their own folders', () => {
    const one = router({ path: 'a/{type}', byEventTime: true, partitionsMax: 1 });
    const old = { time: '1999-01-01T00:00:00Z' };
    expect(one.route([line(old), line(), line({ ...old, type: 'u' })], ACCEPTED)).toMatchObject({
      parts: [{ path: 'late/a/t' }, { path: 'other/2026/11/29/07' }],
      aside: ['late', 'other', 'other'],
    });
  });
});

import { isSafePath, partitionAt, partitionSpan } from '@sink/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOSTILE } from './hostile.fixture.ts';
import { compileLayout, type LayoutSettings } from './layout.ts';
import { pointerNames, textAt } from './pointer.ts';
import { SLOT_INTERVALS } from './time-slots.ts';

const AT = Date.UTC(2026, 10, 9, 14, 37, 12, 345);
const TEMPLATE = 'tenant={ext.tenant|none}/t={type}+{subject|none}/dt={time:%Y-%m-%d}/{time:%H}-{source}';
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia'];

function layout(settings: Partial<LayoutSettings> = {}) {
  return compileLayout({ path: 'vanus', timeInterval: 'HOURLY', timeZone: 'UTC', ...settings });
}

describe('presets', () => {
  test.each([
    ['vanus', 'HOURLY', '2026/11/09/14'],
    ['vanus', 'DAILY', '2026/11/09'],
    ['vanus', 'MONTHLY', '2026/11'],
    ['vanus', 'MINUTES_5', '2026/11/09/14/35'],
    ['vanus', 'MINUTES_10', '2026/11/09/14/30'],
    ['vanus', 'MINUTES_15', '2026/11/09/14/30'],
    ['vanus', 'MINUTES_20', '2026/11/09/14/20'],
    ['vanus', 'MINUTES_30', '2026/11/09/14/30'],
    ['hive', 'HOURLY', 'year=2026/month=11/day=09/hour=14'],
    ['hive', 'DAILY', 'year=2026/month=11/day=09'],
    ['hive', 'MONTHLY', 'year=2026/month=11'],
    ['hive', 'MINUTES_15', 'year=2026/month=11/day=09/hour=14/minute=30'],
  ] as const)('%s %s: %s', (path, timeInterval, expected) => {
    const { render, renderLate, renderOther } = bound(layout({ path, timeInterval }));
    expect(render(AT, [])).toBe(expected);
    expect(renderLate(AT, [])).toBe(`late/${expected}`);
    expect(renderOther(AT)).toBe(`other/${layout({ timeInterval }).render(AT, [])}`);
  });

  test('vanus in UTC is what the default always was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.constantFrom('HOURLY', 'DAILY'), (ms, timeInterval) => {
        const one = layout({ timeInterval });
        expect(one.render(ms, [])).toBe(partitionAt(ms, timeInterval));
        expect(one.parse(one.render(ms, []))?.span).toEqual(partitionSpan(partitionAt(ms, timeInterval)));
      }),
    );
  });
});

test('a path and the values in it determine each other', () => {
  const value = fc.option(
    fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom(...HOSTILE.map(([text]) => text))),
    { nil: undefined },
  );
  const one = layout({ path: TEMPLATE });
  const names = one.variables.map(({ written }) => written);
  expect(names).toEqual(['ext.tenant', 'type', 'subject', 'source']);
  const required = value.map((text) => text || 't');
  const event = fc.tuple(value, required, value, required);
  fc.assert(
    fc.property(event, event, (values, others) => {
      const path = one.render(AT, values);
      expect(isSafePath(path) || path.length > 900).toBe(true);
      expect(path.length).toBeLessThanOrEqual(one.pathBytesMax);
      const parsed = one.parse(path);
      expect(parsed?.folder).toBeNull();
      for (const [index, name] of names.entries()) {
        const said = parsed?.values.get(name);
        if (said?.kind !== 'shortened') expect(said?.value ?? '').toBe(values[index] ?? '');
      }
      const same = values.every((text, index) => (text ?? '') === (others[index] ?? ''));
      expect(one.render(AT, others) === path).toBe(same);
      expect(one.parse(one.renderLate(AT, values))).toEqual({ ...parsed, folder: 'late/' });
    }),
    { numRuns: 500 },
  );
});

describe('time zones', () => {
  test('a path is the time that a clock of the zone shows, whatever the slot', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(1850, 0, 1), max: Date.UTC(2100, 0, 1) }),
        fc.constantFrom(...ZONES, 'Africa/Monrovia', 'Europe/Amsterdam'),
        (ms, timeZone) => {
          const path = layout({ path: '{time:%Y-%m-%d %H:%M}'.replace(' ', '+').replace(':%M', '.%M'), timeZone });
          const shown = new Intl.DateTimeFormat('sv-SE', {
            ...{ timeZone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' },
          }).format(ms);
          expect(path.render(ms, [])).toBe(shown.replace(' ', '+').replace(':', '.'));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('both passes of a doubled hour share its folder, which ends after the second', () => {
    const one = layout({ path: 'hive', timeZone: 'Europe/Berlin' });
    const [first, second] = [Date.UTC(2026, 9, 25, 0, 30), Date.UTC(2026, 9, 25, 1, 30)];
    const folder = 'year=2026/month=10/day=25/hour=02';
    expect([one.render(first, []), one.render(second, [])]).toEqual([folder, folder]);
    const span = { startMs: Date.UTC(2026, 9, 25, 0), endMs: Date.UTC(2026, 9, 25, 2) };
    expect(one.parse(folder)?.span).toEqual(span);
    expect(one.render(span.endMs, [])).toBe('year=2026/month=10/day=25/hour=03');
  });

  test('an hour that the clock skips has no events, and the next begins where the one before ends', () => {
    const one = layout({ path: 'hive', timeZone: 'Europe/Berlin' });
    expect(one.render(Date.UTC(2026, 2, 29, 0, 59), [])).toBe('year=2026/month=03/day=29/hour=01');
    expect(one.render(Date.UTC(2026, 2, 29, 1, 0), [])).toBe('year=2026/month=03/day=29/hour=03');
    expect(one.parse('year=2026/month=03/day=29/hour=01')?.span?.endMs).toBe(Date.UTC(2026, 2, 29, 1));
    expect(one.parse('year=2026/month=03/day=29/hour=03')?.span?.startMs).toBe(Date.UTC(2026, 2, 29, 1));
  });

  test('a time is within the span that its path says, and all of the span that is not doubled has that path', () => {
    const interval = fc.constantFrom(...SLOT_INTERVALS);
    const ms = fc.oneof(
      fc.integer({ min: Date.UTC(1975, 0, 1), max: Date.UTC(2090, 0, 1) }),
      fc.integer({ min: Date.UTC(2026, 9, 24, 22), max: Date.UTC(2026, 9, 25, 4) }),
      fc.integer({ min: Date.UTC(2026, 3, 4, 12), max: Date.UTC(2026, 3, 4, 18) }),
    );
    fc.assert(
      fc.property(ms, interval, fc.constantFrom(...ZONES), (atMs, timeInterval, timeZone) => {
        const one = layout({ path: 'hive', timeInterval, timeZone });
        const path = one.render(atMs, []);
        const span = one.parse(path)?.span;
        if (!span) throw new Error(`${path} has no span`);
        expect(span.startMs).toBeLessThanOrEqual(atMs);
        expect(span.endMs).toBeGreaterThan(atMs);
        expect(one.render(span.startMs, [])).toBe(path);
        expect(one.render(span.endMs - 1, [])).toBe(path);
        expect(one.render(span.endMs, [])).not.toBe(path);
      }),
      { numRuns: 400 },
    );
  });
});

test.each([
  [{ path: TEMPLATE }, '2026/11/09/14'],
  [{}, '2026/11/31/14'],
  [{}, '2026/13/01/14'],
  [{}, '2026/11/09/24'],
  [{}, '2026/11/09'],
  [{}, 'late/other/2026/11/09/14'],
  [{}, 'year=2026/month=11/day=09/hour=14'],
  [{ timeInterval: 'MINUTES_15' as const }, '2026/11/09/14/40'],
  [{ path: 'a/{time:%Y/%j}' }, 'a/2026/366'],
  [{ path: 'a/{time:%Y}/{time:%Y}' }, 'a/2026/2027'],
  [{ path: 'a/{type}/{type}' }, 'a/x/y'],
  [{ path: 'a/{type}' }, 'a/%41'],
  [{ path: 'a/{type}' }, 'a/x/y'],
])('%j does not make the path %s', (settings, path) => {
  expect(layout(settings).parse(path)).toBeNull();
});

test.each([
  ['a/{time:%Y/%j}', 'a/2024/366', [Date.UTC(2024, 11, 31), Date.UTC(2025, 0, 1)]],
  ['a/{time:%Y}/{time:%m}', 'a/2026/12', [Date.UTC(2026, 11, 1), Date.UTC(2027, 0, 1)]],
  ['a/{time:%Y-%m-%dT%H.%M}', 'a/2026-11-09T14.37', [Date.UTC(2026, 10, 9, 14, 37), Date.UTC(2026, 10, 9, 14, 38)]],
  ['a/{time:%Y}', 'a/2026', null],
  ['a/{time:%m/%d}', 'a/11/09', null],
  ['a/{time:%Y-%m-%d}/{time:%M}', 'a/2026-11-09/37', null],
])('the span of %s: %s', (path, rendered, span) => {
  const parsed = layout({ path }).parse(rendered);
  expect(parsed?.span && [parsed.span.startMs, parsed.span.endMs]).toEqual(span);
});

test('years have four digits at both ends of time', () => {
  const one = layout({ path: '{time:%Y-%m-%d}', timeZone: 'Pacific/Apia' });
  for (const ms of [-8.64e15, new Date('0000-01-01T00:00:00Z').getTime(), Date.UTC(9999, 11, 31, 23), 8.64e15]) {
    expect(one.render(ms, [])).toMatch(/^\d{4}-\d\d-\d\d$/);
  }
});

test('text that UTF-8 cannot say counts as absent: it would be the same for two values', () => {
  expect(layout({ path: 'a/{ext.x|none}' }).render(AT, ['\ud800'])).toBe('a/none');
});

test('more values and slots than are remembered have the same paths', () => {
  const one = layout({ path: 'a/{type}/{time:%Y%m%d%H%M}' });
  const paths = Array.from({ length: 10_000 }, (_, n) => one.render(AT + n * 60_000, [`t${n}`]));
  expect(new Set(paths).size).toBe(10_000);
  expect(Array.from({ length: 10_000 }, (_, n) => one.render(AT + n * 60_000, [`t${n}`]))).toEqual(paths);
});

test('a zone that does not exist is refused', () => {
  expect(() => layout({ timeZone: 'Mars/Olympus' })).toThrow(RangeError);
});

test.each([
  ['/order/country', 'DE'],
  ['/order/lines/1', '7'],
  ['/a~1b', 'slash'],
  ['/m~0n', 'tilde'],
  ['/~01', 'escaped'],
  ['/', 'empty'],
  ['/zero', '0'],
  ['/order', undefined],
  ['/order/lines/01', undefined],
  ['/order/lines/-', undefined],
  ['/order/lines/length', undefined],
  ['/order/country/length', undefined],
  ['/order/lines/2', undefined],
  ['/flag', undefined],
  ['/nil', undefined],
  ['/half', undefined],
  ['/large', undefined],
  ['/toString', undefined],
  ['/__proto__', 'own'],
])('the text at %s is %s', (pointer, expected) => {
  const data: unknown = JSON.parse(
    '{"order":{"country":"DE","lines":["a",7]},"a/b":"slash","m~n":"tilde","~1":"escaped","":"empty","zero":-0,' +
      '"flag":true,"nil":null,"half":0.5,"large":9007199254740993,"__proto__":"own"}',
  );
  expect(textAt(data, pointerNames(pointer))).toBe(expected);
});

function bound(one: ReturnType<typeof layout>) {
  return {
    render: one.render.bind(one),
    renderLate: one.renderLate.bind(one),
    renderOther: one.renderOther.bind(one),
  };
}

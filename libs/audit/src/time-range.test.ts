import { expect, test } from 'vitest';
import { inRange, keyBounds, parseTime, rangeOf } from './time-range.ts';

test.each([
  ['2026-11-24', '2026-11-24T00:00:00.000Z'],
  ['2026-11-24T10', '2026-11-24T10:00:00.000Z'],
  ['2026-11-24T10:30', '2026-11-24T10:30:00.000Z'],
  ['2026-11-24T10:30:05.5Z', '2026-11-24T10:30:05.000Z'],
  ['2026-11-24T10:30:00+02:00', '2026-11-24T08:30:00.000Z'],
])('%s is a time', (text, iso) => {
  expect(parseTime(text)).toBe(Date.parse(iso));
});

test.each(['', '24.11.2026', '2026-13-01', '2026-11-24T25', '2026-11', 'now', '2026-11-24 10:00'])(
  '%j is not a time',
  (text) => {
    expect(parseTime(text)).toBeNull();
    expect(rangeOf(text, undefined)).toContain('--from');
    expect(rangeOf(undefined, text)).toContain('--to');
  },
);

test('a range contains every partition that overlaps it', () => {
  const range = { fromMs: Date.UTC(2026, 10, 24, 10, 30), toMs: Date.UTC(2026, 10, 24, 12) };
  const inside = ['2026/11/24/10', '2026/11/24/11', '2026/11/24'];
  const outside = ['2026/11/24/09', '2026/11/24/12', '2026/11/23', '2026/11/25', 'no partition'];
  expect(inside.map((partition) => inRange(partition, range))).toEqual([true, true, true]);
  expect(outside.map((partition) => inRange(partition, range))).toEqual(outside.map(() => false));
  expect(inRange('1999/01/01', {})).toBe(true);
});

test('the bounds of the keys contain the whole range', () => {
  const { after, before } = keyBounds('p/', { fromMs: Date.UTC(2026, 10, 24, 10), toMs: Date.UTC(2026, 10, 25, 1) });
  for (const key of ['p/2026/11/24/00/eventing-a', 'p/2026/11/24/eventing-a', 'p/2026/11/25/00/eventing-z']) {
    expect(key > after && key < before).toBe(true);
  }
  for (const key of ['p/2026/11/23/23/eventing-z', 'p/2026/11/26/00/eventing-a']) {
    expect(key > after && key < before).toBe(false);
  }
});

import { expect, test } from 'vitest';
import { formatBytes, formatDuration, parseBytes, parseDurationMs } from './units.ts';

test.each([
  [1, 1],
  ['1048576', 1_048_576],
  ['128MiB', 134_217_728],
  ['128 mib', 134_217_728],
  ['64kB', 64_000],
  ['1.5 GiB', 1_610_612_736],
  ['0', 0],
])('the size %j is %d bytes', (given, expected) => {
  expect(parseBytes(given)).toBe(expected);
});

test.each([
  [60, 60_000],
  [0.25, 250],
  ['60', 60_000],
  ['500ms', 500],
  ['4s', 4000],
  ['1.5 m', 90_000],
  ['2h', 7_200_000],
])('the duration %j is %d ms', (given, expected) => {
  expect(parseDurationMs(given)).toBe(expected);
});

test.each([
  '',
  ' ',
  '-1',
  '1e3',
  '4 parsecs',
  'MiB',
  '0x10',
  '1,5',
  'Infinity',
  '99999999999999999',
  null,
  {},
  true,
  NaN,
])('%j is neither a size nor a duration', (given) => {
  expect(parseBytes(given)).toBeUndefined();
  expect(parseDurationMs(given)).toBeUndefined();
});

test('quantities are shown in the largest unit that divides them', () => {
  expect([formatBytes(4 * 1024 ** 3), formatBytes(1000), formatBytes(1)]).toEqual(['4 GiB', '1000 bytes', '1 byte']);
  expect([formatDuration(3_600_000), formatDuration(90_000), formatDuration(100)]).toEqual(['1 h', '90 s', '100 ms']);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { partitionAt, partitionSpan } from './partition.ts';

const anyTimeMs = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31, 23, 59, 59, 999) });
const interval = fc.constantFrom('HOURLY' as const, 'DAILY' as const);

describe('a partition', () => {
  test('is the hour or the day of acceptance, in UTC', () => {
    const ms = Date.UTC(2026, 10, 3, 7, 59, 59, 999);
    expect(partitionAt(ms, 'HOURLY')).toBe('2026/11/03/07');
    expect(partitionAt(ms, 'DAILY')).toBe('2026/11/03');
    expect(partitionAt(ms + 1, 'HOURLY')).toBe('2026/11/03/08');
  });

  test('spans exactly the times that fall into it', () => {
    fc.assert(
      fc.property(anyTimeMs, interval, (ms, by) => {
        const partition = partitionAt(ms, by);
        const span = partitionSpan(partition);
        if (!span) throw new Error(`${partition} is no partition`);
        expect(ms).toBeGreaterThanOrEqual(span.startMs);
        expect(ms).toBeLessThan(span.endMs);
        expect([partitionAt(span.startMs, by), partitionAt(span.endMs - 1, by)]).toEqual([partition, partition]);
        if (span.startMs > 0) expect(partitionAt(span.startMs - 1, by)).not.toBe(partition);
      }),
    );
  });

  test('a leap day is one', () => {
    expect(partitionSpan('2028/02/29')).toEqual({ startMs: Date.UTC(2028, 1, 29), endMs: Date.UTC(2028, 2, 1) });
  });

  test.each([
    '',
    '2026',
    '2026/11',
    '2026/13/01',
    '2026/02/30',
    '2026/11/03/24',
    '2026/11/03/7',
    '2026/11/03/07/',
    '/2026/11/03',
    '2026/11/03/07\n',
    '2026-11-03',
    '../../etc',
    '2026/11/03/../..',
    '٢٠٢٦/11/03',
    '0001/01/01',
  ])('%j is none, and so never part of a key', (text) => {
    expect(partitionSpan(text)).toBeNull();
  });

  test('any text is either none or the partition of its own start', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\d{4}\/\d\d\/\d\d(\/\d\d)?$/), (text) => {
        const span = partitionSpan(text);
        if (span) expect(partitionAt(span.startMs, text.length > 10 ? 'HOURLY' : 'DAILY')).toBe(text);
      }),
    );
  });
});

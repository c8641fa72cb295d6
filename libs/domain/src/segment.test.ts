import { describe, expect, test } from 'vitest';
import { parseRecord, type SegmentRecord } from './segment.ts';

const record: SegmentRecord = {
  v: 1,
  id: 's1',
  key: '2026/11/23/10/eventing-x.ndjson',
  partition: '2026/11/23/10',
  slices: [['1795430000000-0', 0, 7]],
  count: 7,
  bytes: 700,
  sha256: 'ab'.repeat(32),
  compression: 'gzip',
  compressionLevel: 6,
  spool: 'b1',
  acceptedAtMs: 1,
  sealedAtMs: 2,
};

describe('reading a segment record', () => {
  test('gives what was stored', () => {
    expect(parseRecord(JSON.stringify(record))).toEqual(record);
  });

  test('carries unknown fields along', () => {
    expect(parseRecord(JSON.stringify({ ...record, later: [1] }))).toEqual({ ...record, later: [1] });
  });

  test.each([2, 0, '1', null, undefined])('version %o is of another release', (v) => {
    expect(() => parseRecord(JSON.stringify({ ...record, v }))).toThrow(
      expect.objectContaining({ code: 'record_version', retryable: false }),
    );
  });

  test.each([
    ['no JSON', 'what'],
    ['null', 'null'],
    ['a list', '[]'],
  ])('%s is no record', (_, json) => {
    expect(() => parseRecord(json)).toThrow(/^reading a segment record: /);
  });

  test.each<[string, Record<string, unknown>]>([
    ['a missing key', { key: undefined }],
    ['a count that is no integer', { count: 1.5 }],
    ['a time as text', { sealedAtMs: '2' }],
    ['an unknown compression', { compression: 'lz4' }],
    ['slices that are none', { slices: 'all' }],
    ['a slice without its end', { slices: [['1-1', 0]] }],
    ['a slice of fractions', { slices: [['1-1', 0, 0.5]] }],
  ])('%s is damage', (_, field) => {
    expect(() => parseRecord(JSON.stringify({ ...record, ...field }))).toThrow(
      expect.objectContaining({ code: 'record_damaged' }),
    );
  });
});

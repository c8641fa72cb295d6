import { describe, expect, test } from 'vitest';
import {
  destinationOf,
  type PlainSegment,
  parseRecord,
  parseSpilledRecord,
  type RoutedSegment,
  type SegmentRecord,
  spilledRecord,
  spoolCompressionOf,
} from './segment.ts';

const record: PlainSegment & SegmentRecord = {
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

const { id, key, slices, count, bytes, sha256, compression, spool, acceptedAtMs, sealedAtMs } = record;
const routed: RoutedSegment & SegmentRecord = {
  ...{ id, key, slices, count, bytes, sha256, compression, spool, acceptedAtMs, sealedAtMs },
  v: 2,
  bucket: 'events',
  route: '_quarantine',
  path: '2026/11/23/10',
  format: 'jsonl',
  spoolCompression: 'zstd',
};

describe('reading a segment record of version 2', () => {
  const whole = {
    ...routed,
    tags: { team: 'a b', empty: '' },
    metadata: { tenant: 'x' },
    lockUntilMs: 1_800_000_000_000,
    trace: { seal: 's' },
    later: [1],
  };

  test('gives what was stored, and where it goes', () => {
    expect(parseRecord(JSON.stringify(whole))).toEqual(whole);
    expect(parseRecord(JSON.stringify(routed))).toEqual(routed);
    expect(destinationOf(routed)).toEqual({ route: '_quarantine', path: '2026/11/23/10' });
    expect(destinationOf(record)).toEqual({ route: '_default', path: '2026/11/23/10' });
    expect([routed, record].map(spoolCompressionOf)).toEqual(['zstd', 'gzip']);
  });

  test('keeps all of it when it is spilled', () => {
    const spilled = parseSpilledRecord(JSON.stringify(spilledRecord(whole, 'disk-1')));
    expect({ ...spilled, slices }).toEqual({ ...whole, spoolId: 'disk-1' });
    expect(spilled).not.toHaveProperty('slices');
  });

  test('an object format of a newer release is left to it', () => {
    expect(() => parseRecord(JSON.stringify({ ...routed, format: 'parquet' }))).toThrow(
      expect.objectContaining({ code: 'record_version' }),
    );
  });

  test.each<[string, Record<string, unknown>]>([
    ['no bucket', { bucket: undefined }],
    ['no format', { format: undefined }],
    ['no compression of its file', { spoolCompression: undefined }],
    ['a route that is none', { route: 'A route' }],
    ['a path that leads out of its folder', { path: '2026/../x' }],
    ['tags that are a list', { tags: ['a'] }],
    ['a tag that is no text', { tags: { a: 1 } }],
    ['metadata that is no text', { metadata: { a: null } }],
    ['a time that is text', { lockUntilMs: '2026' }],
  ])('%s is damage', (_, field) => {
    expect(() => parseRecord(JSON.stringify({ ...routed, ...field }))).toThrow(
      expect.objectContaining({ code: 'record_damaged' }),
    );
  });
});

describe('reading a segment record', () => {
  test('gives what was stored', () => {
    expect(parseRecord(JSON.stringify(record))).toEqual(record);
  });

  test('carries unknown fields along', () => {
    expect(parseRecord(JSON.stringify({ ...record, later: [1] }))).toEqual({ ...record, later: [1] });
  });

  test.each([3, 1.5, 0, '1', null, undefined])('version %o is of another release', (v) => {
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

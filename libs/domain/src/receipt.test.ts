import { describe, expect, test } from 'vitest';
import { crc32 } from 'node:zlib';
import { crc32Checksum, parseReceipt, type Receipt, type RoutedReceipt } from './receipt.ts';

const receipt: Receipt = {
  v: 1,
  id: 's1',
  key: '2026/11/23/10/eventing-x.ndjson',
  etag: '"abc"',
  count: 7,
  bytes: 700,
  objectBytes: 300,
  sha256: 'ab'.repeat(32),
  acceptedAtMs: 1,
  sealedAtMs: 2,
  storedAtMs: 3,
};

const routed: RoutedReceipt = {
  ...receipt,
  v: 2,
  bucket: 'events',
  route: '_quarantine',
  path: '2026/11/23/10',
  checksum: { algorithm: 'CRC32', value: 'AAAAAA==' },
};

describe('reading a receipt of version 2', () => {
  test.each<[string, Partial<RoutedReceipt>]>([
    ['the object is known', {}],
    ['the store may not be asked', { objectBytes: null, checksum: null }],
    ['a newer release knows another checksum', { checksum: { algorithm: 'XXHASH', value: 'x' } }],
    ['a path of another kind', { route: 'audit', path: 'tenant=a/2026-11' }],
  ])('%s', (_, more) => {
    expect(parseReceipt(JSON.stringify({ ...routed, ...more }))).toEqual({ ...routed, ...more });
  });

  test.each<[string, Record<string, unknown>]>([
    ['no bucket', { bucket: undefined }],
    ['no size', { objectBytes: undefined }],
    ['no checksum', { checksum: undefined }],
    ['a checksum without its value', { checksum: { algorithm: 'CRC32' } }],
    ['a path that leads out of its folder', { path: '../x' }],
    ['a route that is none', { route: 'A route' }],
  ])('%s is damage', (_, field) => {
    expect(() => parseReceipt(JSON.stringify({ ...routed, ...field }))).toThrow(
      expect.objectContaining({ code: 'receipt_damaged' }),
    );
  });

  test('version 1 has to have its size', () => {
    expect(() => parseReceipt(JSON.stringify({ ...receipt, objectBytes: null }))).toThrow(
      expect.objectContaining({ code: 'receipt_damaged' }),
    );
  });
});

test('a CRC-32 is written as S3 writes it', () => {
  expect(crc32Checksum(crc32('123456789'))).toEqual({ algorithm: 'CRC32', value: 'y/Q5Jg==' });
});

describe('reading a receipt', () => {
  test('gives what was stored, with what a later release of the same version added', () => {
    expect(parseReceipt(JSON.stringify({ ...receipt, later: [1] }))).toEqual({ ...receipt, later: [1] });
  });

  test.each([3, 1.5, 0, '1', null, undefined])('version %o is of another release', (v) => {
    expect(() => parseReceipt(JSON.stringify({ ...receipt, v }))).toThrow(
      expect.objectContaining({ code: 'receipt_version', retryable: false }),
    );
  });

  test.each([
    ['no JSON', 'what'],
    ['null', 'null'],
    ['a count that is none', JSON.stringify({ ...receipt, count: '7' })],
    ['no key', JSON.stringify({ ...receipt, key: undefined })],
  ])('%s is no receipt', (_, json) => {
    expect(() => parseReceipt(json)).toThrow(expect.objectContaining({ code: 'receipt_damaged' }));
  });
});

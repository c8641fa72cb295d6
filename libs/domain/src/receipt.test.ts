import { describe, expect, test } from 'vitest';
import { parseReceipt, type Receipt } from './receipt.ts';

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

describe('reading a receipt', () => {
  test('gives what was stored, with what a later release of the same version added', () => {
    expect(parseReceipt(JSON.stringify({ ...receipt, later: [1] }))).toEqual({ ...receipt, later: [1] });
  });

  test.each([2, 0, '1', null, undefined])('version %o is of another release', (v) => {
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

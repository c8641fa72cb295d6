import { posix } from 'node:path';
import { isSafePath } from '@sink/domain';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeValue, encodeValue, ENCODED_BYTES_MAX } from './encode-value.ts';
import { HOSTILE } from './hostile.fixture.ts';

const SEGMENT = /^[A-Za-z0-9._%~-]+$/;

test.each(HOSTILE)('the value %j is the segment %s', (value, expected) => {
  expect(encodeValue(value, 'none')).toBe(expected);
  const decoded = decodeValue(expected, 'none');
  if (expected.length > 140 && expected[140] === '~') expect(decoded?.kind).toBe('shortened');
  else expect(decoded).toEqual({ encoded: expected, value, kind: 'value' });
});

test('there are a hundred, and no two share a segment', () => {
  expect(HOSTILE.length).toBeGreaterThanOrEqual(100);
  expect(new Set(HOSTILE.map(([value]) => encodeValue(value, 'none'))).size).toBe(HOSTILE.length);
});

test('a value is one segment of a path, and none leads elsewhere', () => {
  fc.assert(
    fc.property(hostileText(), (value) => {
      const encoded = encodeValue(value, null);
      expect(encoded).toMatch(SEGMENT);
      expect(encoded.length).toBeLessThanOrEqual(ENCODED_BYTES_MAX);
      expect(encoded[0]).not.toMatch(/[._]/);
      expect(isSafePath(`a/${encoded}/b`)).toBe(true);
      expect(posix.join('/root', encoded, 'x')).toBe(`/root/${encoded}/x`);
    }),
    { numRuns: 500 },
  );
});

test('no two values share a segment, nor a value and the default', () => {
  fc.assert(
    fc.property(hostileText(), hostileText(), fc.constantFrom('none', '_', '.x', 'a'), (one, other, fallback) => {
      expect(encodeValue(one, fallback)).not.toBe(fallback);
      if (one !== other) expect(encodeValue(one, fallback)).not.toBe(encodeValue(other, fallback));
    }),
    { numRuns: 1_000 },
  );
});

test('a segment says its value, and what is no segment of a value says nothing', () => {
  fc.assert(
    fc.property(hostileText(), fc.constantFrom(null, 'none', 'a'), (value, fallback) => {
      const encoded = encodeValue(value, fallback);
      const decoded = decodeValue(encoded, fallback);
      expect(decoded?.kind === 'shortened' ? value : decoded?.value).toBe(value);
    }),
    { numRuns: 500 },
  );
  for (const text of ['', '.a', '_a', '%6e', '%', '%2', '%41', 'a b', 'é', 'a/b', '%FF', '%ED%A0%80', 'a~b']) {
    expect(decodeValue(text, null)).toBeNull();
  }
  expect(decodeValue('none', 'none')).toEqual({ encoded: 'none', value: null, kind: 'missing' });
});

function hostileText(): fc.Arbitrary<string> {
  const unit = fc.constantFrom(...Array.from('aZ09._-~%/\\=+ \n\0"{}|'), 'é', '日', '😀', '%2F', '..', '_', 'none');
  return fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    fc.array(unit, { minLength: 1, maxLength: 8 }).map((units) => units.join('')),
    fc.array(unit, { minLength: 60, maxLength: 100 }).map((units) => units.join('')),
  );
}

test('a value of megabytes costs no more than its head and its hash', () => {
  const head = 'a/'.repeat(90);
  const [one, other] = [`${head}${'/'.repeat(60_000_000)}`, `${head}${'/'.repeat(59_999_999)}.`];
  const startMs = performance.now();
  const encoded = encodeValue(one, null);
  // Byte by byte it took more than six seconds, and forty times its size in memory.
  expect(performance.now() - startMs).toBeLessThan(3_000);
  expect(encoded).not.toBe(encodeValue(other, null));
  expect(encoded.slice(0, 141)).toBe(`${'a%2F'.repeat(35)}~`);
  expect(encodeValue(`${'a'.repeat(180)}\u{1F600}${'b'.repeat(9)}`, null)).toMatch(/^a{140}~[0-9a-f]{32}$/);
});

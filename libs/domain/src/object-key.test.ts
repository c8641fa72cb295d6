import { describe, expect, test } from 'vitest';
import { compressionOfKey, contentType, objectKey, parseObjectKey } from './object-key.ts';

const object = {
  prefix: 'raw/',
  path: '2026/11/23/10',
  laneUid: 'f00d',
  first: ['1795430000000-3', 12, 99] as const,
  sha256: '0123456789abcdef'.repeat(4),
  compression: 'none' as const,
};

describe('an object key', () => {
  test('follows from what was sealed', () => {
    expect(objectKey(object)).toBe(
      'raw/2026/11/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson',
    );
    expect(objectKey({ ...object, prefix: '' })).toMatch(/^2026\/11\/23\/10\/eventing-/);
  });

  test.each([
    ['none', '.ndjson', 'application/x-ndjson'],
    ['gzip', '.ndjson.gz', 'application/gzip'],
    ['zstd', '.ndjson.zst', 'application/zstd'],
  ] as const)('%s shows in its extension and its content type', (compression, extension, type) => {
    expect(objectKey({ ...object, compression }).endsWith(`cdef${extension}`)).toBe(true);
    expect(contentType(compression)).toBe(type);
  });

  test('differs with the lane, the first chunk, the offset and the content', () => {
    const keys = [
      object,
      { ...object, laneUid: 'beef' },
      { ...object, first: ['1795430000000-4', 12, 99] as const },
      { ...object, first: ['1795430000000-3', 13, 99] as const },
      { ...object, sha256: 'f'.repeat(64) },
    ].map(objectKey);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('what a key says', () => {
  test.each(['none', 'gzip', 'zstd'] as const)('is read from a key of %s', (compression) => {
    expect(parseObjectKey('raw/', objectKey({ ...object, compression }))).toEqual({
      partition: '2026/11/23/10',
      laneUid: 'f00d',
      firstEvent: 'f00d 1795430000000-3 12',
      compression,
    });
  });

  test('names the compression in whatever folder it is', () => {
    expect(compressionOfKey(objectKey({ ...object, path: 'tenant=a', compression: 'zstd' }))).toBe('zstd');
    expect(compressionOfKey('raw/2026/11/23/10/eventing-0000001')).toBeNull();
  });

  test.each([
    ['another prefix', 'other/2026/11/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson'],
    ['no partition', 'raw/2026/13/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson'],
    ['a short hash', 'raw/2026/11/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef.ndjson'],
    ['another extension', 'raw/2026/11/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.json'],
    ['an object of the original connector', 'raw/2026/11/23/10/eventing-0000001'],
  ])('is nothing for %s', (_, key) => {
    expect(parseObjectKey('raw/', key)).toBeNull();
  });
});

import { describe, expect, test } from 'vitest';
import { compressionOfKey, contentType, objectKey, parseObjectKey, prefixOfObjectKey } from './object-key.ts';

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
      path: '2026/11/23/10',
      laneUid: 'f00d',
      firstEvent: 'f00d 1795430000000-3 12',
      appendedMs: 1_795_430_000_000,
      compression,
    });
  });

  test.each([
    'tenant=a',
    'hive/year=2026/month=11/day=23',
    'late/2026/11/23/10',
    'type=order.created/dt=2026-11-23',
    '2026/13/23/10',
    'a%2Fb/~',
    `${'x'.repeat(140)}~${'0'.repeat(32)}`,
  ])('is read with the path %j', (path) => {
    for (const prefix of ['', 'raw/', 'raw-', 'raw/late/']) {
      const key = objectKey({ ...object, prefix, path });
      expect(parseObjectKey(prefix, key)).toMatchObject({ path, laneUid: 'f00d' });
      expect(prefixOfObjectKey(key, path)).toBe(prefix);
    }
  });

  test('names the prefix of a slot of time, and of no other path that it is not given', () => {
    expect(prefixOfObjectKey(objectKey({ ...object, prefix: 'raw/2026/' }))).toBe('raw/2026/');
    expect(prefixOfObjectKey(objectKey({ ...object, path: 'tenant=a' }))).toBeNull();
    expect(prefixOfObjectKey(objectKey({ ...object, path: '2026/13/23/10' }))).toBeNull();
    expect(prefixOfObjectKey(objectKey({ ...object, path: 'tenant=a' }), 'tenant=b')).toBeNull();
    expect(prefixOfObjectKey('raw/tenant=a/readme.txt', 'tenant=a')).toBeNull();
  });

  test('names the compression in whatever folder it is', () => {
    expect(compressionOfKey(objectKey({ ...object, path: 'tenant=a', compression: 'zstd' }))).toBe('zstd');
    expect(compressionOfKey('raw/2026/11/23/10/eventing-0000001')).toBeNull();
  });

  test.each([
    ['another prefix', 'other/2026/11/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson'],
    ['no path', 'raw/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson'],
    ['a path that leads out', 'raw/../eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson'],
    ['an empty segment', 'raw/2026//eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson'],
    [
      'a path that needs an escape',
      'raw/tenant a/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.ndjson',
    ],
    ['a short hash', 'raw/2026/11/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef.ndjson'],
    ['another extension', 'raw/2026/11/23/10/eventing-f00d-1795430000000-3-12-0123456789abcdef0123456789abcdef.json'],
    ['an object of the original connector', 'raw/2026/11/23/10/eventing-0000001'],
  ])('is nothing for %s', (_, key) => {
    expect(parseObjectKey('raw/', key)).toBeNull();
  });
});

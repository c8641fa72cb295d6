import { describe, expect, test } from 'vitest';
import { manifestContent, manifestKey, parseManifestKey } from './manifest.ts';
import type { Receipt } from './receipt.ts';

const WHERE = { route: '_default', path: '2026/11/23/10', laneUid: 'f00d' };
const SHA256 = '0123456789abcdef'.repeat(4);

function receipt(n: number): Receipt {
  return {
    ...{ v: 1, id: `segment-${n}`, key: `raw/2026/11/23/10/object-${n}`, etag: `"${n}"`, count: n, bytes: 100 * n },
    ...{ objectBytes: 10 * n, sha256: SHA256, acceptedAtMs: 1, sealedAtMs: 2, storedAtMs: 3 },
  };
}

describe('the content of a manifest', () => {
  test('is the same bytes in whatever order the receipts come', () => {
    const content = manifestContent(WHERE, [1, 2, 3].map(receipt));
    for (const order of [
      [3, 2, 1],
      [2, 3, 1],
      [3, 1, 2],
    ]) {
      expect(manifestContent(WHERE, order.map(receipt))).toBe(content);
    }
  });

  test('says whose objects it lists, how many, and of each what its receipt says', () => {
    const content = manifestContent(WHERE, [receipt(2), receipt(1)]);
    expect(content.endsWith('}\n')).toBe(true);
    const entry = (n: number): object => {
      const { key, count, bytes, objectBytes, sha256, etag } = receipt(n);
      return { key, count, bytes, objectBytes, sha256, etag };
    };
    expect(JSON.parse(content)).toEqual({
      ...{ v: 1, partition: '2026/11/23/10', laneUid: 'f00d', objectCount: 2, eventCount: 3 },
      objects: [entry(1), entry(2)],
    });
  });

  test('does not change with when and under which id an object was stored', () => {
    const again = { ...receipt(1), id: 'another', acceptedAtMs: 7, sealedAtMs: 8, storedAtMs: 9 };
    expect(manifestContent(WHERE, [again])).toBe(manifestContent(WHERE, [receipt(1)]));
  });
});

describe("a manifest's key", () => {
  test.each(['', 'raw/', 'a/b-_c/'])('is read back with the prefix "%s"', (prefix) => {
    expect(parseManifestKey(prefix, manifestKey(prefix, WHERE, SHA256))).toEqual({
      path: WHERE.path,
      laneUid: WHERE.laneUid,
    });
    for (const path of ['2026/11/23', 'tenant=a', 'late/year=2026/month=11']) {
      expect(parseManifestKey(prefix, manifestKey(prefix, { ...WHERE, path }, SHA256))?.path).toBe(path);
    }
  });

  test('is in the folder of the objects and begins with an underscore', () => {
    expect(manifestKey('raw/', WHERE, SHA256)).toBe(
      'raw/2026/11/23/10/_manifest-f00d-0123456789abcdef0123456789abcdef.json',
    );
  });

  test('differs with the lane and the content', () => {
    const keys = [
      manifestKey('', WHERE, SHA256),
      manifestKey('', { ...WHERE, laneUid: 'beef' }, SHA256),
      manifestKey('', WHERE, 'f'.repeat(64)),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('contains the uid of the lane, so that readers notice another sink', () => {
    expect(parseManifestKey('', manifestKey('', { ...WHERE, laneUid: 'beef' }, SHA256))?.laneUid).toBe('beef');
  });

  test.each([
    ['another prefix', 'other/2026/11/23/10/_manifest-f00d-0123456789abcdef0123456789abcdef.json'],
    ['no path', 'raw/_manifest-f00d-0123456789abcdef0123456789abcdef.json'],
    ['a path that leads out', 'raw/../_manifest-f00d-0123456789abcdef0123456789abcdef.json'],
    ['a path that needs an escape', 'raw/tenant a/_manifest-f00d-0123456789abcdef0123456789abcdef.json'],
    ['no uid', 'raw/2026/11/23/10/_manifest--0123456789abcdef0123456789abcdef.json'],
    ['a short hash', 'raw/2026/11/23/10/_manifest-f00d-0123456789abcdef.json'],
    ['an object', 'raw/2026/11/23/10/eventing-f00d-1-3-12-0123456789abcdef0123456789abcdef.ndjson'],
  ])('is nothing for %s', (_, key) => {
    expect(parseManifestKey('raw/', key)).toBeNull();
  });
});

import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { contentCoding, inflateBody, likelyInflatedBytes } from './content-coding.ts';

const TEXT = Buffer.from('{"id":"1"} '.repeat(10_000));
const WAYS = [
  { what: 'gzip', coding: 'gzip', compress: gzipSync },
  { what: 'deflate', coding: 'deflate', compress: deflateSync },
  { what: 'deflate without the header of zlib', coding: 'deflate', compress: deflateRawSync },
  { what: 'br', coding: 'br', compress: brotliCompressSync },
  { what: 'zstd', coding: 'zstd', compress: (bytes: Buffer) => zstdCompressSync(bytes) },
] as const;

for (const { what, coding, compress } of WAYS) {
  test(`${what}: what was compressed comes out, up to the limit to the byte`, async () => {
    for (const content of [TEXT, Buffer.alloc(0), Buffer.from('x')]) {
      const compressed = compress(content);
      expect(await inflateBody(coding, compressed, content.length)).toEqual({ kind: 'inflated', body: content });
      if (content.length > 1) {
        expect(await inflateBody(coding, compressed, content.length - 1)).toEqual({ kind: 'too_large' });
      }
    }
  });

  test(`${what}: a body that ends early, is damaged or goes on behind its end is refused`, async () => {
    const whole = compress(TEXT);
    const wrong = [
      whole.subarray(0, -2),
      Buffer.alloc(0),
      Buffer.from('no compressed data at all'),
      Buffer.concat([whole, Buffer.from('more')]),
    ];
    for (const body of wrong) {
      expect(await inflateBody(coding, body, TEXT.length * 2)).toMatchObject({ kind: 'damaged' });
    }
  });

  test(`${what}: a body of a thousand times its size stays within the limit`, async () => {
    const bomb = compress(Buffer.alloc(64 * 1024 * 1024));
    expect(await inflateBody(coding, bomb, 1024 * 1024)).toEqual({ kind: 'too_large' });
  });
}

test('several members of gzip and frames of zstd are one body', async () => {
  const parts = [TEXT, Buffer.alloc(0), Buffer.from('end')];
  const whole = Buffer.concat(parts);
  for (const { coding, compress } of WAYS.filter(({ coding }) => coding === 'gzip' || coding === 'zstd')) {
    const compressed = Buffer.concat(parts.map((part) => compress(part)));
    expect(await inflateBody(coding, compressed, whole.length)).toEqual({ kind: 'inflated', body: whole });
    expect(await inflateBody(coding, compressed, TEXT.length)).toEqual({ kind: 'too_large' });
  }
});

test('zstd: a frame that asks for more memory than the content coding allows, and thousands of frames, are refused', async () => {
  // RFC 8878, section 3.1.1: magic number, no flags, a window of 2^exponent bytes, one raw block with "x".
  const frame = (exponent: number): Buffer =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (exponent - 10) << 3, (1 << 3) | 1, 0, 0, 0x78]);
  expect(await inflateBody('zstd', frame(23), 10)).toEqual({ kind: 'inflated', body: Buffer.from('x') });
  expect(await inflateBody('zstd', frame(24), 10)).toMatchObject({ kind: 'damaged' });
  const empty = zstdCompressSync(Buffer.alloc(0));
  const many = Buffer.concat(Array.from({ length: 1001 }, () => empty));
  expect(await inflateBody('zstd', many, 10)).toEqual({ kind: 'damaged', problem: 'it has more than 1000 frames' });
});

test('the size at the end of a gzip body is its likely one', () => {
  expect(likelyInflatedBytes('gzip', gzipSync(TEXT))).toBe(TEXT.length);
  expect(likelyInflatedBytes('br', Buffer.alloc(10))).toBeGreaterThan(10);
});

test.each([
  [undefined, 'identity'],
  ['', 'identity'],
  ['identity', 'identity'],
  ['GZIP', 'gzip'],
  ['x-gzip, identity', 'gzip'],
  ['deflate', 'deflate'],
  [' br ', 'br'],
  ['zstd', 'zstd'],
  ['compress', null],
  ['gzip, gzip', null],
  ['br, gzip', null],
])('Content-Encoding %j is %j', (header, coding) => {
  expect(contentCoding(header)).toBe(coding);
});

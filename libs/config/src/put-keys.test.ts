import { describe, expect, test } from 'vitest';
import { configOfRouteNamed } from './resolve-routes.ts';
import { routesOf } from './routes-of.ts';
import { loadText, mistakesIn } from './test/load-text.ts';

const TOP = 'bucket: events\nregion: us-west-2\n';
const load = (text: string, env?: Readonly<Record<string, string>>) => loadText(TOP + text, env);
const said = (text: string): string => mistakesIn(TOP + text).join('\n');

test('without any of the keys nothing is kept with an object, and nothing is asked for', () => {
  const config = load('');
  expect(config).toMatchObject({ sse: null, acl: null, storageClass: null, tags: null, metadata: null });
  expect(config).toMatchObject({ checksum: 'auto', multipartAbove: 64 * 1024 * 1024, objectLockForMs: 0 });
  for (const rules of routesOf(config).values()) {
    expect(Object.keys(rules).toSorted()).toEqual(['bucket', 'endsWithSlot', 'prefix']);
  }
});

test('tags, metadata and lock are those of every route, of quarantine too, unless a route has its own', () => {
  const config = load(`
tags: { team: a b, cost: 12 }
metadata: { origin: sink }
object_lock_for: 24h
routes: [{ name: audit, tags: { team: audit }, object_lock_for: 0 }, { name: plain, tags: {} }]
`);
  const routes = routesOf(config);
  const all = { tags: { team: 'a b', cost: '12' }, metadata: { origin: 'sink' }, lockForMs: 86_400_000 };
  expect(routes.get('_default')).toMatchObject(all);
  expect(routes.get('_quarantine')).toMatchObject({ prefix: 'quarantine/', ...all });
  expect(routes.get('audit')).toMatchObject({ tags: { team: 'audit' }, metadata: all.metadata });
  expect(routes.get('audit')).not.toHaveProperty('lockForMs');
  expect(routes.get('plain')).not.toHaveProperty('tags');
});

test('in the environment, tags are text or JSON', () => {
  expect(load('', { SINK_TAGS: 'team=a b, url=x=y' }).tags).toEqual({ team: 'a b', url: 'x=y' });
  expect(load('', { SINK_METADATA: '{"a":"b,c"}' }).metadata).toEqual({ a: 'b,c' });
});

test('an account may be a number, which lost its zero', () => {
  expect(load('expected_bucket_owner: 12345678901').expectedBucketOwner).toBe('012345678901');
});

test('a route with another encryption takes no key of the top level', () => {
  const config = load(`
sse: aws:kms
sse_kms_key_id: alias/top
sse_bucket_key: true
routes: [{ name: a, sse: AES256 }, { name: b, sse_kms_key_id: alias/own }, { name: c, acl: private }]
`);
  const of = (name: string) => configOfRouteNamed(config, name);
  expect(of('a')).toMatchObject({ sse: 'AES256', sseKmsKeyId: null, sseBucketKey: null });
  expect(of('b')).toMatchObject({ sse: 'aws:kms', sseKmsKeyId: 'alias/own', sseBucketKey: true });
  expect(of('c')).toMatchObject({ sse: 'aws:kms', sseKmsKeyId: 'alias/top', acl: 'private' });
  expect(of('gone')).toBe(config);
});

describe('what S3 would refuse is refused at the start', () => {
  test.each([
    ['sse_kms_key_id: alias/x', 'sse_kms_key_id: .* only with sse: aws:kms or aws:kms:dsse'],
    ['sse: AES256\nsse_bucket_key: true', 'sse_bucket_key: .* only with sse: aws:kms'],
    ['sse: aws:kms:dsse\nsse_bucket_key: true', 'sse_bucket_key: .* only with sse: aws:kms'],
    ['routes: [{ name: a, sse: AES256, sse_kms_key_id: k }]', 'routes\\[0\\].sse_kms_key_id: .* only with sse'],
    ['tags: { "": x }', 'tags'],
    ['tags: { "aws:x": y }', 'tags: .*not beginning with aws:'],
    ['tags: { a: "100 %" }', 'tags: .* letters, digits'],
    [`tags: { ${'k'.repeat(129)}: x }`, 'tags: .*up to 128'],
    [`tags: { a: ${'v'.repeat(257)} }`, 'tags: .*up to 256'],
    [
      `tags: { ${'abcdefghijk'
        .split('')
        .map((key) => `${key}: x`)
        .join(', ')} }`,
      'tags: .*at most 10',
    ],
    ['metadata: { Content-Sha256: x }', 'metadata: '],
    ['metadata: { content-sha256: x }', 'metadata: .*not content-sha256 or segment-id'],
    ['metadata: { a: ü }', 'metadata: .*printable ASCII'],
    [`metadata: { a: ${'v'.repeat(1920)} }`, 'metadata: .*at most 1920 bytes'],
    ['expected_bucket_owner: "123"', 'expected_bucket_owner: .* 12 digits'],
    ['multipart_above: 1MiB', 'multipart_above'],
  ])('%s', (text, message) => {
    expect(said(text)).toMatch(new RegExp(message));
  });

  test('as much as S3 takes is taken', () => {
    const tags = Object.fromEntries(
      'abcdefghij'.split('').map((key) => [key.repeat(128), 'é+-=._:/@ 1'.padEnd(256, '\u4e2d')]),
    );
    const metadata = { a: 'v'.repeat(1919) };
    expect(load(`tags: ${JSON.stringify(tags)}\nmetadata: ${JSON.stringify(metadata)}`)).toMatchObject({
      tags,
      metadata,
    });
  });
});

test('what has no effect on plain files is said', () => {
  const config = loadText('', { SINK_BUCKET: 'file:///tmp/x', SINK_SSE: 'AES256', SINK_TAGS: 'a=b' });
  expect(config.warnings).toContain('sse, tags: no effect on plain files');
});

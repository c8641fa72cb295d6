import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './index.ts';

function load(overrides: Record<string, unknown>): ReturnType<typeof loadConfig> {
  return loadConfig({ env: {}, overrides, readText: () => 'missing' });
}

/** What the message about `bucket` says instead. */
function said(bucket: string): string {
  try {
    load({ bucket, region: 'us-west-2' });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ key, allowed }) => `${key}: ${allowed}`).join();
    throw error;
  }
  return 'nothing';
}

test.each([
  ['s3://events/logs', 'bucket: bucket: events and prefix: logs/'],
  ['s3a://events/a/b/', 'bucket: bucket: events and prefix: a/b/'],
  ['s3://events', 'bucket: the name alone, as bucket: events'],
  ['events/logs', 'bucket: bucket: events and prefix: logs/'],
  ['arn:aws:s3:::events/logs/*', 'bucket: bucket: events and prefix: logs/'],
  ['http://minio:9000/events/logs', 'bucket: endpoint: http://minio:9000, bucket: events and prefix: logs/'],
  ['http://user:secret@minio:9000/events', 'bucket: endpoint: http://minio:9000 and bucket: events'],
  ['https://events.s3.us-west-2.amazonaws.com/logs', 'bucket: bucket: events, region: us-west-2 and prefix: logs/'],
  ['https://s3.us-west-2.amazonaws.com/events', 'bucket: bucket: events and region: us-west-2'],
  ['/plain/dir', 'bucket: file:///plain/dir for a directory'],
  ['/plain dir', 'bucket: file:///plain%20dir for a directory'],
  ['./dir', `bucket: file://${resolve('dir')} for a directory`],
  ['C:\\data\\my objects', 'bucket: file:///C:/data/my%20objects for a directory'],
  ['file:///my objects', 'bucket: file:/// and an absolute directory, as file:///my%20objects'],
  ['file:///100%', 'bucket: file:/// and an absolute directory, as file:///100%25'],
  ['file:///a?b#c', 'bucket: file:/// and an absolute directory, as file:///a%3Fb%23c'],
  ['file://data/objects', 'bucket: file:/// and an absolute directory, as file:///data/objects'],
  ['file:///', 'bucket: file:/// and an absolute directory, as file:///var/lib/sink/objects'],
  ['my bucket', 'bucket: 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends'],
])('bucket %s: what to write instead', (given, instead) => {
  expect(said(given)).toBe(instead);
});

test('what a message says is accepted', () => {
  expect(load({ bucket: 'file:///my%20objects' }).bucket).toEqual({ kind: 'file', directory: '/my objects' });
  expect(load({ bucket: 'file:///a%3Fb%23c' }).bucket).toEqual({ kind: 'file', directory: '/a?b#c' });
});

test('a directory has no slash at its end, which would be doubled in paths', () => {
  expect(load({ bucket: 'file:///var/objects/' }).bucket).toEqual({ kind: 'file', directory: '/var/objects' });
});

test('blanks and capitals around endpoint, bucket and region are taken', () => {
  const { bucket } = load({ bucket: ' events\n', endpoint: ' HTTPS://S3.Example:9000// ', region: ' US-West-2 ' });
  expect(bucket).toMatchObject({ name: 'events', endpoint: 'https://s3.example:9000', region: 'us-west-2' });
});

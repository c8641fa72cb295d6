import { loadConfig, type SinkConfig } from '@sink/config';
import { IAM_USES } from '@sink/objects';
import { expect, test } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { iamText } from './iam.ts';

function config(overrides: Record<string, unknown>): SinkConfig {
  return loadConfig({ env: {}, overrides: { data_dir: '/d', ...overrides }, readText: () => 'missing' });
}

const OWN = { uses: [], earlierPrefixes: [] };
const BUCKET = { bucket: 'mybucket', region: 'us-west-2', prefix: 'events/' };

function actions(text: string): string[] {
  return (JSON.parse(text) as { Statement: { Action: string }[] }).Statement.map(({ Action }) => Action);
}

test('the policy is JSON, ready to be pasted', () => {
  expect(iamText(config({ ...BUCKET, spill_at: 0 }), OWN)).toBe(`{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "SinkPutsObjects",
      "Effect": "Allow",
      "Action": "s3:PutObject",
      "Resource": "arn:aws:s3:::mybucket/events/*"
    }
  ]
}
`);
});

test('what the sink itself needs follows from the configuration: only with spilling it looks for objects', () => {
  expect(actions(iamText(config(BUCKET), OWN))).toEqual(['s3:PutObject', 's3:GetObject']);
  expect(actions(iamText(config({ ...BUCKET, manifests: true, spill_at: 0 }), OWN))).toEqual(['s3:PutObject']);
  const replicated = { ...BUCKET, replicas: 1, 'redis.url': 'redis://r' };
  expect(actions(iamText(config(replicated), OWN))).toEqual(['s3:PutObject']);
});

test('options of a PUT need permissions of their own, and only then the policy has them', () => {
  const of = (more: Record<string, unknown>) => actions(iamText(config({ ...BUCKET, spill_at: 0, ...more }), OWN));
  expect(of({ sse: 'AES256', storage_class: 'STANDARD_IA', cache_control: 'no-store' })).toEqual(['s3:PutObject']);
  expect(of({ tags: 'a=b', object_lock_for: '1h', acl: 'private' })).toEqual([
    ...['s3:PutObject', 's3:PutObjectTagging', 's3:PutObjectRetention', 's3:PutObjectAcl'],
  ]);
  const parts = ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListBucketMultipartUploads'];
  expect(of({ multipart_above: '8MiB' })).toEqual(parts);
  expect(of({ flush_size: 1_000_000 })).toEqual(parts);
  expect(of({ flush_size: 1_000_000, checksum: 'sha256' })).toEqual(['s3:PutObject']);
  expect(of({ target_object_size: '256MiB' })).toEqual(parts);
  expect(of({ flush_bytes: '16MiB' })).toEqual(['s3:PutObject']);
  expect(of({ flush_size: 50 })).toEqual(['s3:PutObject']);
  expect(of({ target_object_size: '16MiB' })).toEqual(['s3:PutObject']);
  expect(of({ sse: 'aws:kms' })).toEqual(['s3:PutObject', 'kms:GenerateDataKey']);
  expect(of({ sse: 'aws:kms', multipart_above: '8MiB' })).toEqual([...parts, 'kms:GenerateDataKey', 'kms:Decrypt']);
});

test.each([
  ['arn:aws:kms:us-west-2:123456789012:key/5050', 'arn:aws:kms:us-west-2:123456789012:key/5050', undefined],
  ['5050-781f', 'arn:aws:kms:us-west-2:*:key/5050-781f', undefined],
  ['alias/events', 'arn:aws:kms:us-west-2:*:key/*', 'alias/events'],
  ['arn:aws:kms:us-west-2:123456789012:alias/events', 'arn:aws:kms:us-west-2:*:key/*', 'alias/events'],
])('the policy names the key %s', (key, resource, alias) => {
  const text = iamText(config({ ...BUCKET, spill_at: 0, sse: 'aws:kms', sse_kms_key_id: key }), OWN);
  const { Statement } = JSON.parse(text) as { Statement: Record<string, unknown>[] };
  expect(Statement[1]).toMatchObject({ Action: 'kms:GenerateDataKey', Resource: resource });
  const condition = { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': [alias] } };
  expect(Statement[1]?.['Condition']).toEqual(alias === undefined ? undefined : condition);
});

test('plain files need no policy, and a bucket of another kind has other permissions', () => {
  expect(() => iamText(config({}), OWN)).toThrow('objects are plain files in /d/objects, which needs no policy');
  const express = { ...BUCKET, bucket: 'mine--usw2-az1--x-s3' };
  expect(() => iamText(config(express), OWN)).toThrow('directory bucket');
});

test('the command line knows every use', () => {
  const parsed = parseCommandLine(['iam', '--for', IAM_USES.join(',')]);
  expect(parsed).toMatchObject({ kind: 'iam', asked: { uses: IAM_USES } });
});

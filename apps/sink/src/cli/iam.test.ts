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

test('plain files need no policy, and a bucket of another kind has other permissions', () => {
  expect(() => iamText(config({}), OWN)).toThrow('objects are plain files in /d/objects, which needs no policy');
  const express = { ...BUCKET, bucket: 'mine--usw2-az1--x-s3' };
  expect(() => iamText(config(express), OWN)).toThrow('directory bucket');
});

test('the command line knows every use', () => {
  const parsed = parseCommandLine(['iam', '--for', IAM_USES.join(',')]);
  expect(parsed).toMatchObject({ kind: 'iam', asked: { uses: IAM_USES } });
});

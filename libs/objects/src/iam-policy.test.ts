import { describe, expect, it } from 'vitest';
import { type IamPolicy, iamPolicy, type IamPolicyOptions } from './iam-policy.ts';
import type { S3BucketSettings } from './s3-client.ts';
import { classifyS3Failure } from './s3-failure.ts';

function policyOf(bucket: Partial<S3BucketSettings>, options: Partial<IamPolicyOptions> = {}): IamPolicy {
  const policy = iamPolicy(
    { kind: 's3', name: 'mybucket', region: 'us-west-2', forcePathStyle: false, ...bucket },
    { uses: ['put', 'read'], prefix: 'events/', ...options },
  );
  if (typeof policy === 'string') throw new Error(policy);
  return policy;
}

function resources(policy: IamPolicy): unknown[] {
  return policy.Statement.map(({ Resource }) => Resource);
}

describe('the IAM policy', () => {
  it.each([
    [['put'], ['s3:PutObject']],
    [['manifests'], ['s3:PutObject']],
    [
      ['put', 'compare'],
      ['s3:PutObject', 's3:GetObject'],
    ],
    [['verify'], ['s3:ListBucket']],
    [['read'], ['s3:GetObject', 's3:ListBucket']],
    [[], []],
  ] as const)('for %j has %j', (uses, actions) => {
    expect(policyOf({}, { uses }).Statement.map(({ Action }) => Action)).toEqual(actions);
  });

  it.each([
    ['us-west-2', 'aws'],
    ['eu-central-1', 'aws'],
    ['cn-north-1', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
    ['us-iso-east-1', 'aws-iso'],
    ['us-isob-east-1', 'aws-iso-b'],
    ['eu-isoe-west-1', 'aws-iso-e'],
    ['us-isof-south-1', 'aws-iso-f'],
    ['eusc-de-east-1', 'aws-eusc'],
    ['garage', 'aws'],
    [undefined, 'aws'],
  ])('names the partition of region %s', (region, partition) => {
    expect(resources(policyOf({ region }))).toEqual([
      `arn:${partition}:s3:::mybucket/events/*`,
      `arn:${partition}:s3:::mybucket/events/*`,
      `arn:${partition}:s3:::mybucket`,
    ]);
  });

  it('allows listing what begins with the prefix, and everything without one', () => {
    const condition = (prefix: string) => policyOf({}, { uses: ['verify'], prefix }).Statement[0]?.Condition;
    expect(condition('events/')).toEqual({ StringEquals: { 's3:prefix': ['events/'] } });
    expect(condition('')).toBeUndefined();
  });

  it('takes a prefix literally', () => {
    const policy = policyOf({}, { prefix: 'a*b?${c}/' });
    expect(resources(policy)[0]).toBe('arn:aws:s3:::mybucket/a${*}b${?}${$}{c}/*');
    expect(policy.Statement[2]?.Condition).toEqual({ StringEquals: { 's3:prefix': ['a*b?${$}{c}/'] } });
  });

  it('lets an audit list and read what had an earlier prefix, and the uploader write only what has the current one', () => {
    const policy = policyOf({}, { earlierPrefixes: ['old/', 'events/'] });
    const both = ['arn:aws:s3:::mybucket/events/*', 'arn:aws:s3:::mybucket/old/*'];
    expect(resources(policy)).toEqual([both[0], both, 'arn:aws:s3:::mybucket']);
    expect(policy.Statement[2]?.Condition).toEqual({ StringEquals: { 's3:prefix': ['events/', 'old/'] } });
  });

  it.each([
    ['arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/mine', 's3'],
    ['arn:aws:s3::123456789012:accesspoint/alias.mrap', 's3'],
    ['arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/mine', 's3-outposts'],
  ])('for the access point %s names its objects', (name, service) => {
    const policy = policyOf({ name });
    expect(resources(policy)).toEqual([`${name}/object/events/*`, `${name}/object/events/*`, name]);
    expect(policy.Statement.map(({ Action }) => Action.split(':')[0])).toEqual([service, service, service]);
  });

  it('covers the quarantine too, unless its prefix begins with that of all objects', () => {
    const policy = policyOf({}, { uses: ['put', 'read'], quarantinePrefix: 'bad/' });
    const both = ['arn:aws:s3:::mybucket/events/*', 'arn:aws:s3:::mybucket/bad/*'];
    expect(resources(policy)).toEqual([both, both, 'arn:aws:s3:::mybucket']);
    expect(policy.Statement[2]?.Condition).toEqual({ StringEquals: { 's3:prefix': ['events/', 'bad/'] } });
    const within = policyOf({}, { uses: ['put', 'verify'], quarantinePrefix: 'events/bad/' });
    expect(resources(within)).toEqual(['arn:aws:s3:::mybucket/events/*', 'arn:aws:s3:::mybucket']);
    expect(within.Statement[1]?.Condition).toEqual({ StringEquals: { 's3:prefix': ['events/', 'events/bad/'] } });
  });

  it('lets the quarantine commands read the quarantine, and put markers of retries only', () => {
    const policy = policyOf({}, { uses: ['quarantine'], quarantinePrefix: 'b*/' });
    expect(policy.Statement.map(({ Action, Resource, Condition }) => [Action, Resource, Condition])).toEqual([
      ['s3:PutObject', 'arn:aws:s3:::mybucket/b${*}/_retries/*', undefined],
      ['s3:GetObject', 'arn:aws:s3:::mybucket/b${*}/*', undefined],
      ['s3:ListBucket', 'arn:aws:s3:::mybucket', { StringLike: { 's3:prefix': ['b${*}/*'] } }],
    ]);
  });

  it.each(['mine--usw2-az1--x-s3', 'mine-abc-s3alias'])('is none for %s', (name) => {
    expect(() => policyOf({ name })).toThrow(name);
  });
});

it('a refusal names the same resource as the policy, in every partition', () => {
  const refused = Object.assign(new Error('x'), { name: 'AccessDenied', Code: 'AccessDenied' });
  const place = { bucket: 'mybucket', prefix: 'a*/', endpoint: undefined, region: 'cn-north-1' };
  expect(classifyS3Failure(refused, place).remedy).toContain(
    'Allow s3:PutObject on arn:aws-cn:s3:::mybucket/a${*}/* for these credentials',
  );
});

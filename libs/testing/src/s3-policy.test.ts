import { describe, expect, it } from 'vitest';
import { isAllowed, type S3Action, type S3Policy } from './s3-policy.ts';

const PUT: S3Action = { action: 's3:PutObject', resource: 'arn:aws:s3:::b/events/a', context: {} };
const LIST: S3Action = { action: 's3:ListBucket', resource: 'arn:aws:s3:::b', context: { 's3:prefix': 'a*b/' } };

function policy(...statements: Partial<S3Policy['Statement'][number]>[]): S3Policy {
  const Statement = statements.map((statement) => ({ Effect: 'Allow', Action: 's3:*', Resource: '*', ...statement }));
  return { Statement };
}

describe('the judge of policies', () => {
  it.each([
    ['nothing', policy(), PUT, false],
    ['an action', policy({ Action: 's3:PutObject' }), PUT, true],
    ['an action in other letters', policy({ Action: ['s3:x', 'S3:putobject'] }), PUT, true],
    ['another action', policy({ Action: 's3:PutObjectAcl' }), PUT, false],
    ['a resource', policy({ Resource: 'arn:aws:s3:::b/events/*' }), PUT, true],
    ['a resource of one character', policy({ Resource: 'arn:aws:s3:::b/events/?' }), PUT, true],
    ['a longer resource', policy({ Resource: 'arn:aws:s3:::b/events/a?' }), PUT, false],
    ['an escaped wildcard', policy({ Resource: 'arn:aws:s3:::b/events/${*}' }), PUT, false],
    ['a denial', policy({}, { Effect: 'Deny', Action: 's3:Put*' }), PUT, false],
    ['a condition', policy({ Condition: { StringEquals: { 's3:prefix': ['x', 'a*b/'] } } }), LIST, true],
    ['a condition with escapes', policy({ Condition: { StringEquals: { 's3:prefix': 'a${*}b/' } } }), LIST, true],
    ['a condition that takes wildcards', policy({ Condition: { StringLike: { 's3:prefix': 'a?b*' } } }), LIST, true],
    ['a condition that takes none', policy({ Condition: { StringEquals: { 's3:prefix': 'a?b*' } } }), LIST, false],
    ['a condition without a value', policy({ Condition: { StringLike: { 's3:prefix': '*' } } }), PUT, false],
  ])('%s', (_, given, wanted, allowed) => {
    expect(isAllowed(given, wanted)).toBe(allowed);
  });

  it('refuses to judge by what it does not know', () => {
    const unknown = [{ Condition: { IpAddress: { 'aws:SourceIp': '::1' } } }, { Resource: '${aws:username}' }];
    for (const statement of unknown) expect(() => isAllowed(policy(statement), LIST)).toThrow('the fake knows no');
  });
});

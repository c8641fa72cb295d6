import { describe, expect, it } from 'vitest';
import { classifyS3Failure } from './s3-failure.ts';

const place = { bucket: 'events', prefix: 'logs/', endpoint: undefined, region: 'us-east-1' };

describe('what a failure of S3 means, where only the network or a bare status speaks', () => {
  it.each([
    ['ECONNREFUSED', 'unreachable', 'transient'],
    ['ENOTFOUND', 'unreachable', 'transient'],
    ['EAI_AGAIN', 'unreachable', 'transient'],
    ['ECONNRESET', 'interrupted', 'transient'],
    ['EPIPE', 'interrupted', 'transient'],
    ['ETIMEDOUT', 'timeout', 'transient'],
    ['CERT_HAS_EXPIRED', 'tls', 'operator'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls', 'operator'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls', 'operator'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls', 'operator'],
    ['EPROTO', 'tls', 'operator'],
  ])('%s is %s (%s)', (systemCode, code, kind) => {
    expect(classifyS3Failure(Object.assign(new Error('x'), { code: systemCode }), place)).toMatchObject({ code, kind });
    // A name with several addresses: Node reports all of them in one.
    const all = Object.assign(new AggregateError([new Error('x')]), { code: systemCode });
    expect(classifyS3Failure(all, place)).toMatchObject({ code, kind });
  });

  it.each([
    [429, 'throttled', 'throttled'],
    [503, 'throttled', 'throttled'],
    [500, 'server_error', 'transient'],
    [502, 'server_error', 'transient'],
    [504, 'server_error', 'transient'],
    [408, 'timeout', 'transient'],
    [409, 'conflict', 'transient'],
    [301, 'wrong_region', 'operator'],
    [401, 'access_denied', 'operator'],
    [403, 'access_denied', 'operator'],
    [404, 'no_such_bucket', 'operator'],
    [413, 'too_large', 'operator'],
    [400, 'refused', 'operator'],
  ])('a bare %i is %s (%s)', (httpStatusCode, code, kind) => {
    const error = Object.assign(new Error('UnknownError'), { name: 'UnknownError', $metadata: { httpStatusCode } });
    expect(classifyS3Failure(error, place)).toMatchObject({ code, kind });
  });

  it('missing credentials and a missing region are for a person', () => {
    const none = Object.assign(new Error('Could not load credentials'), { name: 'CredentialsProviderError' });
    expect(classifyS3Failure(none, place)).toMatchObject({ code: 'no_credentials', kind: 'operator' });
    const failure = classifyS3Failure(new Error('Region is missing'), { ...place, region: undefined });
    expect(failure).toMatchObject({ code: 'wrong_region', kind: 'operator' });
  });

  it('a redirect names the region it came with', () => {
    const error = Object.assign(new Error('x'), {
      name: 'PermanentRedirect',
      $metadata: { httpStatusCode: 301 },
      $response: { headers: { 'x-amz-bucket-region': 'eu-west-3' } },
    });
    expect(classifyS3Failure(error, place).remedy).toContain('eu-west-3');
  });

  it.each([[undefined], [null], ['text'], [new TypeError('a bug')], [{}]])('%s is never given up', (error) => {
    expect(classifyS3Failure(error, place)).toMatchObject({ code: 'unexpected', kind: 'transient' });
  });
});

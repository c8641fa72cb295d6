import { expect, test } from 'vitest';
import { classifyS3Failure } from './s3-failure.ts';

const place = { bucket: 'events', prefix: 'logs/', endpoint: undefined, region: 'eu-west-1' };
const KEY = 'arn:aws:kms:us-east-1:123456789012:key/5050781f';
const USER = 'User: arn:aws:sts::123456789012:assumed-role/sink/x is not authorized to perform';

function failureOf(status: number, code: string, message: string) {
  const answer = { name: code, Code: code, $metadata: { httpStatusCode: status }, $response: { headers: {} } };
  return classifyS3Failure(Object.assign(new Error(message), answer), place);
}

test.each([
  [400, 'KMS.DisabledException', `${KEY} is disabled.`, 'Enable the KMS key, or set `sse_kms_key_id`'],
  [400, 'KMS.KMSInvalidStateException', `${KEY} is pending deletion.`, 'cancel its deletion'],
  [400, 'KMS.NotFoundException', 'Invalid arn us-east-1', 'no such KMS key in eu-west-1'],
  [400, 'KMS.NotFoundException', "Key 'alias/x' does not exist", 'correct `sse_kms_key_id`'],
  [404, 'kms:KeyNotFound', 'key with given key ID does not exist', 'no such KMS key'],
  [400, 'KMS.InvalidKeyUsageException', 'x', 'see the message'],
  [403, 'AccessDenied', `${USER}: kms:GenerateDataKey on resource: ${KEY}`, 'Allow kms:GenerateDataKey on the KMS key'],
  [403, 'AccessDenied', `${USER}: kms:Decrypt on this resource`, 'Allow kms:GenerateDataKey and kms:Decrypt on'],
  [403, 'KMS.AccessDeniedException', `${USER}: kms:GenerateDataKey`, 'in that of the key'],
])('%i %s: %s', (status, code, message, remedy) => {
  const failure = failureOf(status, code, message);
  expect(failure).toMatchObject({ code: 'encryption_key', kind: 'operator' });
  expect(failure.remedy).toContain(remedy);
});

test('KMS that asks for fewer requests slows the queue down, and one that is away passes', () => {
  const throttled = failureOf(400, 'KMS.ThrottlingException', 'You have exceeded the rate at which you may call KMS.');
  expect(throttled).toMatchObject({ code: 'throttled', kind: 'throttled' });
  expect(throttled.remedy).toContain('sse_bucket_key');
  expect(failureOf(500, 'KMS.KMSInternalException', 'x')).toMatchObject({ kind: 'transient' });
});

test.each([
  [400, 'InvalidStorageClass', 'The storage class you specified is not valid', 'storage_class'],
  [400, 'AccessControlListNotSupported', 'The bucket does not allow ACLs', 'acl'],
  [400, 'InvalidTag', 'The TagValue you have provided is invalid', 'tags'],
  [400, 'MetadataTooLarge', 'x', 'metadata'],
  [400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration', 'object_lock_for'],
  [
    403,
    'AccessDenied',
    `${USER}: s3:PutObjectTagging on resource: x`,
    's3:PutObjectTagging on arn:aws:s3:::events/logs/*',
  ],
  [403, 'AccessDenied', `${USER}: s3:AbortMultipartUpload on resource: x`, 's3:AbortMultipartUpload on'],
  [403, 'AccessDenied', 'Access Denied', 'Allow s3:PutObject on'],
])('%i %s: %s names %s', (status, code, message, said) => {
  const failure = failureOf(status, code, message);
  expect(failure.kind).toBe('operator');
  expect(failure.remedy).toContain(said);
});

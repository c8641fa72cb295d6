import type { Failure } from './object-store-error.ts';

/** The parts of an error of the SDK, of Node's network layer or of S3 that the classification uses. */
interface Symptoms {
  /** The code in S3's XML, or the class of an SDK error: `NoSuchBucket`, `TimeoutError`, `CredentialsProviderError`. */
  readonly name: string;
  /** Node's code: `ECONNRESET`, `CERT_HAS_EXPIRED`. */
  readonly systemCode: string;
  readonly status: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
}

/** The data that remedies name. */
export interface S3Place {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

/**
 * Classifies the error of a request to S3: by S3's error code, then by Node's, then by the HTTP status (HEAD and
 * proxies answer without a code). Unknown errors are transient, so the upload is retried.
 *
 * Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and those that MinIO and others add.
 */
export function classifyS3Failure(error: unknown, place: S3Place): Failure {
  const symptoms = readSymptoms(error);
  return byName(symptoms, place) ?? bySystemCode(symptoms, place) ?? byStatus(symptoms, place) ?? unexpected;
}

/** One short line with the answer of S3 or the network error, for the error's message. */
export function describeS3Failure(error: unknown): string {
  const { name, systemCode, status, message } = readSymptoms(error);
  const said = [...new Set([name, systemCode])].filter((part) => part !== '' && part !== 'Error').join(' ');
  return [status === null ? '' : String(status), said, message].filter((part) => part !== '').join(' ');
}

/** The HTTP status of S3's answer; null without an answer. */
export function statusOf(error: unknown): number | null {
  return readSymptoms(error).status;
}

const unexpected: Failure = { code: 'unexpected', kind: 'transient' };

function byName(symptoms: Symptoms, place: S3Place): Failure | null {
  const { bucket, prefix } = place;
  switch (symptoms.name) {
    case 'SlowDown':
    case 'SlowDownWrite':
    case 'SlowDownRead':
    case 'ServiceUnavailable':
    case 'Throttling':
    case 'ThrottlingException':
    case 'ThrottledException':
    case 'RequestThrottled':
    case 'RequestThrottledException':
    case 'RequestLimitExceeded':
    case 'TooManyRequests':
    case 'TooManyRequestsException':
    case 'BandwidthLimitExceeded':
    case 'Busy':
      return { code: 'throttled', kind: 'throttled' };
    case 'RequestTimeout':
      return { code: 'timeout', kind: 'transient' };
    case 'TimeoutError':
      // The SDK uses this name for reset connections as well.
      return bySystemCode(symptoms, place) ?? { code: 'timeout', kind: 'transient' };
    case 'IncompleteBody':
      return { code: 'interrupted', kind: 'transient' };
    case 'InternalError':
    case 'InternalServerError':
      return { code: 'server_error', kind: 'transient' };
    case 'ConditionalRequestConflict':
    case 'OperationAborted':
      return { code: 'conflict', kind: 'transient' };
    case 'BadDigest':
    case 'InvalidDigest':
    case 'XAmzContentSHA256Mismatch':
    case 'XAmzContentChecksumMismatch':
      return { code: 'bad_digest', kind: 'damaged' };
    case 'AccessDenied':
    case 'AllAccessDisabled':
    case 'AccountProblem':
    case 'NotSignedUp':
    case 'MethodNotAllowed':
      return accessDenied(place);
    case 'NoSuchBucket':
    case 'InvalidBucketName':
      return noSuchBucket(place);
    case 'InvalidAccessKeyId':
    case 'InvalidClientTokenId':
    case 'UnrecognizedClientException':
      return operator('unknown_access_key', 'The store does not know this access key id: correct `access_key_id`.');
    case 'SignatureDoesNotMatch':
      return operator(
        'bad_signature',
        'The secret does not belong to the access key id, or a proxy changes requests: correct `secret_access_key`.',
      );
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'InvalidToken':
    case 'TokenRefreshRequired':
      return operator(
        'expired_token',
        'The temporary credentials have expired or are wrong: set new ones, or none, so that the role of this machine is used.',
      );
    case 'CredentialsProviderError':
    case 'TokenProviderError':
    case 'AssumeRoleError':
      return operator(
        'no_credentials',
        'No AWS credentials were found: set `access_key_id` and `secret_access_key`, an AWS profile, or a role.',
      );
    case 'PermanentRedirect':
    case 'TemporaryRedirect':
    case 'Redirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return wrongRegion(symptoms, place);
    case 'RequestTimeTooSkewed':
    case 'RequestExpired':
    case 'RequestInTheFuture':
      return operator(
        'clock_skew',
        "This machine's clock is more than 15 minutes away from the store's: set it right (NTP). Until then each first request fails.",
      );
    case 'NotImplemented':
      return operator(
        'not_supported',
        'The store does not support the request. If it is the conditional PUT (see the message), set `if_none_match: off`.',
      );
    case 'EntityTooLarge':
      return operator(
        'too_large',
        'The store does not accept objects of this size: lower `flush_bytes`, or raise the limit of the store.',
      );
    case 'KeyTooLongError':
      return operator('bad_key', 'The object key is longer than the store allows: shorten `prefix`.');
    default:
      break;
  }
  if (symptoms.name.startsWith('KMS.') || symptoms.name.startsWith('KMS')) {
    const remedy = `The key that encrypts s3://${bucket}/${prefix} cannot be used: allow kms:GenerateDataKey, and check that the key is enabled.`;
    return operator('encryption_key', remedy);
  }
  if (symptoms.message.startsWith('Region is missing')) return wrongRegion(symptoms, place);
  return null;
}

function bySystemCode({ systemCode }: Symptoms, { endpoint }: S3Place): Failure | null {
  switch (systemCode) {
    case '':
      return null;
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL': {
      const where = endpoint === undefined ? 'S3' : endpoint;
      const remedy = `${where} cannot be reached: if this lasts, check the network and \`endpoint\`.`;
      return { code: 'unreachable', kind: 'transient', remedy };
    }
    case 'ETIMEDOUT':
    case 'ESOCKETTIMEDOUT':
      return { code: 'timeout', kind: 'transient' };
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'EPIPE':
      return { code: 'interrupted', kind: 'transient' };
    default:
      break;
  }
  const certificate = /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)|^(EPROTO|HOSTNAME_MISMATCH)$/;
  if (!certificate.test(systemCode)) return null;
  return operator(
    'tls',
    'The TLS connection fails or is not trusted: check the certificate (`endpoint_ca_file` adds an authority) and http/https in `endpoint`.',
  );
}

function byStatus(symptoms: Symptoms, place: S3Place): Failure | null {
  const { status } = symptoms;
  if (status === null || status < 300) return null;
  if (status === 429 || status === 503) return { code: 'throttled', kind: 'throttled' };
  if (status >= 500) return { code: 'server_error', kind: 'transient' };
  if (status === 408) return { code: 'timeout', kind: 'transient' };
  if (status === 409) return { code: 'conflict', kind: 'transient' };
  if (status < 400) return wrongRegion(symptoms, place);
  if (status === 401 || status === 403 || status === 405) return accessDenied(place);
  if (status === 404) return noSuchBucket(place);
  if (status === 413) {
    return operator(
      'too_large',
      'The store does not accept objects of this size: lower `flush_bytes`, or raise the limit of the store.',
    );
  }
  if (status === 501) return operator('not_supported', 'The store does not support the request; see the message.');
  return operator('refused', 'The store refuses the request; see the message.');
}

function accessDenied({ bucket, prefix }: S3Place): Failure {
  const resource = `arn:aws:s3:::${bucket}/${prefix}*`;
  return operator(
    'access_denied',
    `Allow s3:PutObject on ${resource} for these credentials (also in bucket policies and conditions). The store may also answer so if the bucket does not exist.`,
  );
}

function noSuchBucket({ bucket, endpoint }: S3Place): Failure {
  const where = endpoint === undefined ? '' : ` at ${endpoint}`;
  return operator('no_such_bucket', `Create the bucket ${bucket}${where}, or correct \`bucket\` or \`endpoint\`.`);
}

function wrongRegion({ headers, message }: Symptoms, { bucket, region }: S3Place): Failure {
  const right = headers['x-amz-bucket-region'] ?? /expecting '([a-z0-9-]+)'/.exec(message)?.[1];
  if (region === undefined && right === undefined) {
    return operator('wrong_region', `Set \`region\` to the region of the bucket ${bucket}.`);
  }
  const remedy = `The bucket ${bucket} is not in region ${region ?? '(of the AWS profile)'}: set \`region\``;
  return operator('wrong_region', right === undefined ? `${remedy} to the right one.` : `${remedy}: ${right}.`);
}

function operator(code: Failure['code'], remedy: string): Failure {
  return { code, kind: 'operator', remedy };
}

function readSymptoms(error: unknown): Symptoms {
  const name = textOf(error, 'name');
  const status = numberOf(property(error, '$metadata'), 'httpStatusCode');
  const response = property(error, '$response');
  const headers: Record<string, string> = {};
  const given = property(response, 'headers');
  if (typeof given === 'object' && given !== null) {
    for (const [key, value] of Object.entries(given)) headers[key.toLowerCase()] = String(value);
  }
  // An AggregateError (all addresses of a name failed) has the code itself; a wrapped error has it in its cause.
  const code = textOf(error, 'code') || textOf(property(error, 'cause'), 'code');
  const systemCode = code === '' || code === name ? '' : code;
  return { name, systemCode, status, headers, message: textOf(error, 'message').split('\n', 1)[0] ?? '' };
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function textOf(value: unknown, name: string): string {
  const text = property(value, name);
  return typeof text === 'string' ? text : '';
}

function numberOf(value: unknown, name: string): number | null {
  const found = property(value, name);
  return typeof found === 'number' ? found : null;
}

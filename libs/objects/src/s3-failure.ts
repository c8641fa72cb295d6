import type { Failure } from './object-store-error.ts';
import { deniedAction, kmsFailure, optionFailure } from './put-failure.ts';
import {
  accessDenied,
  badSignature,
  malformedAuthorization,
  noS3Remedy,
  noSuchBucket,
  operator,
  redirected,
  refusedHeader,
  type S3Place,
  tooLarge,
  unknownAccessKey,
  wrongRegion,
} from './s3-remedies.ts';
import { readSymptoms, type Symptoms } from './s3-symptoms.ts';

/**
 * Classifies the error of a request to S3: by S3's error code, then by Node's, then by what the message says of headers and
 * checksums, then by the HTTP status (HEAD and proxies answer without a code). Unknown errors are transient, so the upload
 * is retried.
 *
 * Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and those that MinIO and others add.
 *
 * @param head whether the request was a HEAD, whose answer has no body
 */
export function classifyS3Failure(error: unknown, place: S3Place, head = false): Failure {
  const symptoms = readSymptoms(error, head);
  if (symptoms.fromS3 === false) return notOfS3(symptoms, place);
  return (
    byName(symptoms, place) ??
    bySystemCode(symptoms, place) ??
    byMessage(symptoms) ??
    byStatus(symptoms, place) ??
    unexpected
  );
}

/** Whether the store refuses the header with the checksum, whatever the checksum is. */
export function refusesChecksumHeader(error: unknown): boolean {
  return isChecksumHeaderRefused(readSymptoms(error));
}

const unexpected: Failure = { code: 'unexpected', kind: 'transient' };

function byName(symptoms: Symptoms, place: S3Place): Failure | null {
  const special = kmsFailure(symptoms, place) ?? optionFailure(symptoms);
  if (special !== null) return special;
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
    case 'NoSuchUpload':
      return { code: 'vanished', kind: 'transient' };
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
      // Garage has this code for wrong credentials too.
      if (/\bno such key\b/i.test(symptoms.message)) return unknownAccessKey();
      if (/\binvalid signature\b/i.test(symptoms.message)) return badSignature();
      if (symptoms.details.HeadersNotSigned !== '') return refusedHeader(symptoms.details.HeadersNotSigned);
      return accessDenied(place, deniedAction(symptoms) ?? undefined);
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
    case 'Unauthorized':
    case 'UnauthorizedAccess':
    case 'XAdminUserNotFound': // versitygw, with status 404
      return unknownAccessKey();
    case 'SignatureDoesNotMatch':
      return badSignature();
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
      return redirected(symptoms, place);
    case 'AuthorizationHeaderMalformed':
      return malformedAuthorization(symptoms, place);
    case 'IllegalLocationConstraintException':
      return wrongRegion(symptoms, place);
    case 'RequestTimeTooSkewed':
    case 'RequestExpired':
    case 'RequestInTheFuture':
      return operator(
        'clock_skew',
        "This machine's clock is more than 15 minutes away from the store's: set it right (NTP). Until then each first request fails.",
      );
    case 'EntityTooLarge':
      return tooLarge();
    case 'KeyTooLongError':
      return operator('bad_key', 'The object key is longer than the store allows: shorten `prefix`.');
    default:
      break;
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
  // The bytes of the answer are not HTTP.
  if (systemCode.startsWith('HPE_')) return operator('not_s3', noS3Remedy({ endpoint }));
  const certificate = /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)|^(EPROTO|HOSTNAME_MISMATCH)$/;
  if (!certificate.test(systemCode)) return null;
  return operator(
    'tls',
    'The TLS connection fails or is not trusted: check the certificate (`endpoint_ca_file` adds an authority) and http/https in `endpoint`.',
  );
}

/** What stores say about headers and checksums, under codes that differ: `InvalidArgument`, `BadRequest`, `NotImplemented`. */
function byMessage(symptoms: Symptoms): Failure | null {
  const { name, status, message, details } = symptoms;
  if (status === null || status < 400 || (status >= 500 && status !== 501)) return null;
  if (isChecksumHeaderRefused(symptoms)) {
    return operator(
      'not_supported',
      'The store does not accept the header of the checksum: set another `checksum`, or `checksum: off`.',
    );
  }
  const said = spoken(symptoms);
  if (/if-none-match/i.test(said)) {
    return operator('not_supported', 'The store does not accept `If-None-Match` on a PUT: set `if_none_match: off`.');
  }
  if (status === 400 && /checksum|digest|\bmd5|crc-?32/i.test(`${name} ${said}`)) {
    if (!/required|missing/i.test(message)) return { code: 'bad_digest', kind: 'damaged' };
    return operator('refused', 'The store wants a checksum with each object: set `checksum: crc32`.');
  }
  const named = /header:? ['"`]?([a-z][a-z0-9]*-[a-z0-9-]+)|(x-amz-[a-z0-9-]+)/i.exec(message);
  const header = details.Header || (named?.[1] ?? named?.[2]);
  if (header !== undefined) return refusedHeader(header);
  if (name !== 'NotImplemented') return null;
  return operator(
    'not_supported',
    'The store does not support the request. If it is the conditional PUT (see the message), set `if_none_match: off`.',
  );
}

function isChecksumHeaderRefused(symptoms: Symptoms): boolean {
  if (!/x-amz-(sdk-)?checksum/i.test(spoken(symptoms))) return false;
  const unknown = /unsupported|not (supported|implemented|allowed|recogni[sz]ed)|unknown|unrecogni[sz]ed|unexpected/i;
  return symptoms.name === 'NotImplemented' || symptoms.status === 501 || unknown.test(symptoms.message);
}

function spoken({ message, details }: Symptoms): string {
  return `${details.Header} ${details.ArgumentName} ${message}`;
}

/** An answer that S3 did not send: a web server, another service, or a proxy on the way. */
function notOfS3(symptoms: Symptoms, place: S3Place): Failure {
  const status = symptoms.status ?? 0;
  const remedy = noS3Remedy(place);
  if (status >= 300 && status < 400) return redirected(symptoms, place);
  // A gateway before the store answers so while the store is away.
  const passing = status >= 500 || status === 408 || status === 429 ? byStatus(symptoms, place) : null;
  return passing?.kind === 'transient' || passing?.kind === 'throttled'
    ? { ...passing, remedy: `If this lasts: ${remedy.charAt(0).toLowerCase()}${remedy.slice(1)}` }
    : operator('not_s3', remedy);
}

function byStatus(symptoms: Symptoms, place: S3Place): Failure | null {
  const { status } = symptoms;
  if (status === null || status < 300) return null;
  if (status === 429 || status === 503) return { code: 'throttled', kind: 'throttled' };
  if (status === 501) return operator('not_supported', 'The store does not support the request; see the message.');
  if (status >= 500) return { code: 'server_error', kind: 'transient' };
  if (status === 408) return { code: 'timeout', kind: 'transient' };
  if (status === 409) return { code: 'conflict', kind: 'transient' };
  if (status < 400) return redirected(symptoms, place);
  if (status === 401 || status === 403 || status === 405) return accessDenied(place);
  // S3 says NoSuchBucket where it has a body to say it in.
  if (status === 404 && symptoms.fromS3 === null) return noSuchBucket(place);
  if (status === 413) return tooLarge();
  return operator('refused', 'The store refuses the request; see the message.');
}

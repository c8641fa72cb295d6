import type { CredentialsUnavailable } from './credentials-source.ts';
import type { Failure, ObjectStoreErrorCode } from './object-store-error.ts';
import { classifyS3Failure } from './s3-failure.ts';
import type { S3Place } from './s3-remedies.ts';

/** The answers after which other credentials, or the same ones a little later, may succeed. */
const refusals: readonly ObjectStoreErrorCode[] = [
  'access_denied',
  'unknown_access_key',
  'bad_signature',
  'expired_token',
  'no_such_bucket',
];

/** Whether the store may have refused the request because of its credentials. Some servers say 404 to a wrong key. */
export function refusesCredentials({ code }: Failure): boolean {
  return refusals.includes(code);
}

/**
 * Why no credentials could be got: the chain found none, a file cannot be read, or STS refused the source of a role.
 * @param from where credentials come from, as in "the AWS profile default"
 */
export function classifyUnavailable({ cause }: CredentialsUnavailable, from: string, place: S3Place): Failure {
  const failure = classifyS3Failure(cause, place);
  const operator = (code: ObjectStoreErrorCode, remedy: string): Failure => ({ code, kind: 'operator', remedy });
  switch (failure.code) {
    case 'no_credentials':
      return operator(
        'no_credentials',
        `No AWS credentials were found in ${from}: provide them there, or set \`aws\`.`,
      );
    case 'expired_token':
      return operator(
        'expired_token',
        `What STS gets for the role has expired: renew the source key or the identity token (${from}).`,
      );
    case 'unknown_access_key':
      return operator('unknown_access_key', `STS does not know the source key of the role: correct it (${from}).`);
    case 'bad_signature':
      return operator(
        'bad_signature',
        `The secret of the source key of the role is wrong, or a proxy changes requests: correct it (${from}).`,
      );
    case 'access_denied':
      return operator(
        'no_credentials',
        `STS does not allow the role: allow sts:AssumeRole for its source, and trust the source in the role (${from}).`,
      );
    case 'unreachable':
      return {
        ...failure,
        remedy: 'STS or the metadata service cannot be reached: if this lasts, check the network and `proxy_url`.',
      };
    case 'tls':
    case 'clock_skew':
    case 'throttled':
    case 'timeout':
    case 'interrupted':
    case 'server_error':
      return failure;
    default:
      return operator('no_credentials', `The AWS credentials cannot be read; see the message. They come from ${from}.`);
  }
}

/** Credentials expired while they were in use: the next attempt, which is soon, reads others. */
export function expiredInUse(failure: Failure): Failure {
  return { ...failure, kind: 'transient' };
}

/** The same failure with a remedy that names where the refused credentials come from. */
export function namingSource(failure: Failure, from: string): Failure {
  switch (failure.code) {
    case 'unknown_access_key':
      return { ...failure, remedy: `The store does not know this access key id: correct it (${from}).` };
    case 'bad_signature':
      return {
        ...failure,
        remedy: `The secret does not belong to the access key id, or a proxy changes requests: correct it (${from}).`,
      };
    case 'expired_token':
      return { ...failure, remedy: `The temporary credentials have expired or are wrong: renew them (${from}).` };
    default:
      return failure;
  }
}

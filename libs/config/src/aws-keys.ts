import type { z } from 'zod';
import { filePath, optionalText, secretText } from './field.ts';

/** The credentials for a bucket: keys of `aws` at the top level, and of `aws` of each of `routes`. */
export const awsKeys = {
  access_key_id: secretText(
    'The id of the AWS access key. Without a key, the AWS default chain applies (environment, profiles, IRSA, instance roles).',
  ),
  access_key_id_file: filePath('The path of a file that contains `aws.access_key_id`.'),
  secret_access_key: secretText('The secret of the AWS access key.'),
  secret_access_key_file: filePath('The path of a file that contains `aws.secret_access_key`.'),
  session_token: secretText('The session token of temporary credentials.'),
  session_token_file: filePath('The path of a file that contains `aws.session_token`.'),
  profile: optionalText(
    /^[^\p{Cc}[\]]{1,256}$/u,
    'the name of a profile',
    'The profile of the shared files of AWS that credentials come from, and nowhere else: a key, a role, SSO, web identity or a process. Default: the profile that `AWS_PROFILE` names is one part of the AWS default chain.',
  ),
  role_arn: optionalText(
    /^arn:[a-z0-9-]+:iam::[^:\s]*:role\/[\w+=,.@/-]{1,576}$/,
    'the ARN of a role, such as arn:aws:iam::123456789012:role/sink',
    'The role that the sink assumes (STS) with the key of `aws`, with `aws.profile`, or with what the AWS default chain finds.',
  ),
  external_id: optionalText(
    /^[\w+=,.@:/-]{2,1224}$/,
    '2 to 1,224 letters, digits and _+=,.@:/-',
    'The external id that the trust policy of `aws.role_arn` asks for.',
  ),
  session_name: optionalText(
    /^[\w+=,.@-]{2,64}$/,
    '2 to 64 letters, digits and _+=,.@-',
    'The name of the session of `aws.role_arn`, as it is in CloudTrail. Default: `sink-aws-s3`.',
  ),
};

type AwsKey = keyof typeof awsKeys;

/** The values of `aws`. */
export type AwsValues = { readonly [Key in AwsKey]?: z.output<(typeof awsKeys)[Key]['schema']> };

/** The keys of `aws` at the top level. The cast states what the expression does. */
export const awsSettings = Object.fromEntries(
  Object.entries(awsKeys).map(([key, field]) => [`aws.${key}`, field]),
) as unknown as { readonly [Key in AwsKey as `aws.${Key}`]: (typeof awsKeys)[Key] };

/** Whether `aws` says which credentials are used, or which are used to assume the role. */
export function hasSource(aws: AwsValues): boolean {
  return hasKey(aws) || aws.profile !== undefined;
}

export function hasKey(aws: AwsValues): boolean {
  return has(aws, 'access_key_id');
}

/** What is wrong with the keys of `aws` together. */
export function awsMistakes(aws: AwsValues): readonly (readonly [key: AwsKey, allowed: string])[] {
  const [id, secret] = [hasKey(aws), has(aws, 'secret_access_key')];
  const pair = 'both aws.access_key_id and aws.secret_access_key, or neither (the AWS default chain is used then)';
  const mistakes: [AwsKey, string][] = [];
  if (id && !secret) mistakes.push(['secret_access_key', pair]);
  else if (secret && !id) mistakes.push(['access_key_id', pair]);
  else if (has(aws, 'session_token') && !id) mistakes.push(['session_token', 'only together with the other two']);
  if (aws.profile !== undefined && id) {
    mistakes.push(['profile', 'a profile or a key (aws.access_key_id), not both']);
  }
  for (const key of ['external_id', 'session_name'] as const) {
    if (aws[key] !== undefined && aws.role_arn === undefined) mistakes.push([key, 'only together with aws.role_arn']);
  }
  return mistakes;
}

function has(aws: AwsValues, key: 'access_key_id' | 'secret_access_key' | 'session_token'): boolean {
  return aws[key] !== undefined || aws[`${key}_file`] !== undefined;
}

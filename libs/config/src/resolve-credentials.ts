import type { AwsProfile } from './aws-profile.ts';
import { awsKeys, awsMistakes, type AwsValues, hasKey, hasSource } from './aws-keys.ts';
import type { ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';
import { ConfigError, type ConfigProblem, type Problems } from './problems.ts';
import type { ReadAgain } from './read-again.ts';
import { describeUnreadable } from './read-given.ts';
import { isSettingPath, type Settings } from './settings.ts';
import type { AwsCredentials, AwsRole, S3Credentials } from './sink-config.ts';

const SESSION_NAME = 'sink-aws-s3';
const PARTS = ['access_key_id', 'secret_access_key', 'session_token'] as const;

/** `aws` of a route, with the place of it in messages: `routes[2].aws`. */
export interface RouteAws {
  readonly at: string;
  readonly values: AwsValues;
}

interface Sources {
  readonly env: Environment;
  readonly readText: ReadText;
  readonly again: ReadAgain;
}

/** `aws` of the top level. */
function awsOf(settings: Settings): AwsValues {
  const entries = Object.keys(awsKeys).map((key) => [key, Reflect.get(settings, `aws.${key}`) as unknown] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/**
 * Where credentials come from and which role they assume. A route with a key or a profile of its own takes nothing from the
 * top level; one with only a role assumes it with the key or the profile of the top level, or with the default chain.
 */
function awsInForce(top: AwsValues, own: RouteAws | undefined): { source: AwsValues; role: AwsValues } {
  if (own === undefined) return { source: top, role: top };
  const isAlone = hasSource(own.values);
  const hasRole = isAlone || own.values.role_arn !== undefined;
  return { source: isAlone ? own.values : top, role: hasRole ? own.values : top };
}

/** The profile of `aws`; undefined: that of the environment. */
export function profileNameOf(settings: Settings, own: RouteAws | undefined): string | undefined {
  return awsInForce(awsOf(settings), own).source.profile;
}

/** Adds mistakes of `aws` at the top level. Those inside routes are found when these are read. */
export function checkAws(settings: Settings, problems: Problems): void {
  for (const [key, allowed] of awsMistakes(awsOf(settings))) {
    const related =
      key === 'external_id' || key === 'session_name' ? ['role_arn'] : ['access_key_id', 'secret_access_key'];
    problems.add(`aws.${key}`, allowed, related.map((one) => `aws.${one}`).filter(isSettingPath));
  }
}

export function resolveCredentials(
  settings: Settings,
  own: RouteAws | undefined,
  profile: AwsProfile,
  sources: Sources,
  problems: Problems,
): S3Credentials {
  const { source, role } = awsInForce(awsOf(settings), own);
  const isOwn = own !== undefined && source === own.values;
  const credentials = isOwn ? keyOfRoute(own, sources, (problem) => problems.addOther(problem)) : keyOf(source);
  const hasFiles = PARTS.some((part) => source[`${part}_file`] !== undefined);
  const reread = isOwn ? () => keyOfRouteAgain(own, sources) : () => keyAgain(sources.again);
  const from = sourceInWords(source, isOwn ? own.at : 'aws', profile, sources.env);
  const assumed = roleOf(role);
  const roleFrom = `${role === own?.values ? own.at : 'aws'}.role_arn`;
  return {
    ...(credentials === undefined ? {} : { credentials }),
    ...(credentials === undefined || !hasFiles ? {} : { readCredentials: () => reread() ?? credentials }),
    ...(source.profile === undefined ? {} : { profile: source.profile }),
    ...(assumed === undefined ? {} : { role: assumed }),
    credentialsFrom: assumed === undefined ? from : `the role ${assumed.arn} (${roleFrom}), assumed with ${from}`,
  };
}

function roleOf({ role_arn: arn, external_id: externalId, session_name: name }: AwsValues): AwsRole | undefined {
  if (arn === undefined) return undefined;
  return { arn, sessionName: name ?? SESSION_NAME, ...(externalId === undefined ? {} : { externalId }) };
}

function sourceInWords(source: AwsValues, at: string, profile: AwsProfile, env: Environment): string {
  const files = profile.files.join(', ');
  if (hasKey(source)) {
    const parts = ['access_key_id', 'secret_access_key'] as const;
    return parts.map((part) => `${at}.${source[`${part}_file`] === undefined ? part : `${part}_file`}`).join(' and ');
  }
  if (source.profile !== undefined) return `the profile ${profile.name} (${files})`;
  if (!env['AWS_PROFILE'] && env['AWS_ACCESS_KEY_ID'])
    return 'the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
  return `the AWS environment, the profile ${profile.name} (${files}) or ${roleInWords(env)}`;
}

/** The last part of the default chain, which the environment shows. */
function roleInWords(env: Environment): string {
  const token = env['AWS_WEB_IDENTITY_TOKEN_FILE'];
  if (token && env['AWS_ROLE_ARN']) return `the role ${env['AWS_ROLE_ARN']} with the web identity token ${token}`;
  if (env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']) return 'the role of the container';
  const service = env['AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  return service ? `the role of the container (${service})` : 'a role';
}

function keyOf(aws: AwsValues): AwsCredentials | undefined {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = aws;
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** The key of the top level, with what its files contain now. */
function keyAgain(again: ReadAgain): AwsCredentials | undefined {
  const resolveNow = (now: Settings, _: unknown, problems: Problems): AwsCredentials | undefined => {
    checkAws(now, problems);
    return keyOf(awsOf(now));
  };
  return again.section('aws', resolveNow, () => []);
}

/** The key of a route, with what its files contain. */
function keyOfRoute(
  { at, values }: RouteAws,
  { readText, again }: Sources,
  add: (problem: ConfigProblem) => void,
): AwsCredentials | undefined {
  const read = PARTS.map((part) => {
    const file = values[`${part}_file`];
    if (file === undefined) return [part, values[part]] as const;
    const content = readText(file);
    const text = typeof content === 'object' && 'text' in content ? content.text.replace(/[\r\n]+$/, '') : '';
    if (text.trim() === '') {
      const given = 'a value that is not shown';
      add({ key: `${at}.${part}_file`, given, allowed: describeUnreadable(content) });
      return [part, undefined] as const;
    }
    // No log line may contain it.
    again.keepReloaded(text);
    return [part, text] as const;
  });
  return keyOf(Object.fromEntries(read));
}

function keyOfRouteAgain(own: RouteAws, sources: Sources): AwsCredentials | undefined {
  const problems: ConfigProblem[] = [];
  const found = keyOfRoute(own, sources, (problem) => problems.push(problem));
  if (problems.length > 0) throw new ConfigError(problems);
  return found;
}

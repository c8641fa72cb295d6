import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readAwsProfile } from './aws-profile.ts';
import { bucketHint } from './bucket-hint.ts';
import type { Problems } from './problems.ts';
import type { ReadAgain } from './read-again.ts';
import { resolveCa, resolveEndpoint, resolveProxy, type Surroundings } from './resolve-network.ts';
import type { Settings } from './settings.ts';
import type { AwsCredentials, BucketSettings, Endpoint } from './sink-config.ts';

const SERVER_REGION = 'us-east-1';

/** What the bucket is resolved from, beside the settings. */
export interface BucketSources extends Omit<Surroundings, 'profile'> {
  readonly dataDir: string;
  readonly again: ReadAgain;
}

/** The bucket of the configuration. Adds mistakes to `problems`; the result is then invalid. */
export function resolveBucket(
  settings: Settings,
  sources: BucketSources,
  problems: Problems,
  warnings: string[],
): BucketSettings {
  const { bucket: name } = settings;
  warnOfPrefix('prefix', settings.prefix, warnings);
  const credentials = resolveCredentials(settings, problems);
  if (name === undefined) {
    const isOfRoute = settings.routes?.some((route) => route.bucket !== undefined) ?? false;
    const orphan = isOfRoute
      ? undefined
      : (['region', 'endpoint', 'aws.access_key_id'] as const).find((path) => settings[path] !== undefined);
    if (orphan) problems.add('bucket', `the name of the bucket that ${orphan} is for`, [orphan]);
    return { kind: 'file', directory: join(sources.dataDir, 'objects') };
  }
  const directory = directoryOf(name);
  if (directory !== undefined) return { kind: 'file', directory };

  const surroundings = { ...sources, profile: readAwsProfile(sources.env, sources.readText) };
  const endpoint = resolveEndpoint(settings, surroundings, problems);
  const forcePathStyle = settings.force_path_style ?? endpoint !== undefined;
  const wrong = bucketHint(name) ?? bucketNameMistake(name, forcePathStyle);
  if (wrong !== undefined) problems.add('bucket', wrong, ['force_path_style']);
  const region = resolveRegion(settings, surroundings, endpoint);
  if (region === undefined) {
    problems.add('region', 'the region of the bucket, such as us-west-2 (or AWS_REGION, or one in the AWS profile)', [
      'bucket',
      'endpoint',
    ]);
  }
  const proxy = resolveProxy(settings, surroundings, problems, warnings);
  const readCa = resolveCa(settings, surroundings, problems, warnings);
  return {
    kind: 's3',
    name,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint: endpoint.url, endpointFrom: endpoint.from }),
    forcePathStyle,
    ...(proxy === undefined ? {} : { proxy }),
    ...(readCa === undefined ? {} : { readCa }),
    ...(credentials === undefined ? {} : { credentials, ...rereading(settings, credentials, sources.again) }),
    credentialsFrom: credentialsFrom(settings, surroundings),
  };
}

/** The bucket as records and receipts name it: its name, or the file:// address of a directory. */
export function bucketName(bucket: BucketSettings): string {
  return bucket.kind === 's3' ? bucket.name : pathToFileURL(bucket.directory).href;
}

/**
 * The region where the AWS SDK finds it: AWS_REGION, then the profile. AWS_DEFAULT_REGION, which only other SDKs read,
 * counts too. With the key `endpoint`, only the key counts.
 */
function resolveRegion(
  { region, endpoint: key }: Settings,
  { env, profile }: Surroundings,
  endpoint: Endpoint | undefined,
): string | undefined {
  if (region !== undefined) return region;
  if (key !== undefined) return SERVER_REGION;
  return (
    env['AWS_REGION'] ||
    env['AWS_DEFAULT_REGION'] ||
    (profile.region ?? (endpoint === undefined ? undefined : SERVER_REGION))
  );
}

function credentialsFrom(settings: Settings, { env, profile }: Surroundings): string {
  if (settings['aws.access_key_id'] !== undefined) {
    const parts = ['aws.access_key_id', 'aws.secret_access_key'] as const;
    return parts.map((part) => (settings[`${part}_file`] === undefined ? part : `${part}_file`)).join(' and ');
  }
  if (!env['AWS_PROFILE'] && env['AWS_ACCESS_KEY_ID'])
    return 'the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
  return `the AWS environment, the profile ${profile.name} (${profile.files.join(', ')}) or a role`;
}

/** Placeholders of other programs are literal parts of keys here. */
export function warnOfPrefix(key: string, prefix: string, warnings: string[]): void {
  const placeholder = /%[A-Za-z]|\{\{?[^{}/]+\}\}?|!\{[^{}/]+\}|\$\{?[A-Za-z_]/.exec(prefix)?.[0];
  if (placeholder === undefined) return;
  warnings.push(
    `${key} contains ${placeholder}, which the sink does not replace: keys begin with exactly this text, and the folders of date and hour follow it`,
  );
}

const CREDENTIAL_FILES = ['aws.access_key_id_file', 'aws.secret_access_key_file', 'aws.session_token_file'] as const;

/** How credentials of which a part is in files are read again. */
function rereading(
  settings: Settings,
  first: AwsCredentials,
  again: ReadAgain,
): { readCredentials?: () => AwsCredentials } {
  if (CREDENTIAL_FILES.every((path) => settings[path] === undefined)) return {};
  const resolveNow = (now: Settings, _: unknown, problems: Problems) => resolveCredentials(now, problems);
  return { readCredentials: () => again.section('aws', resolveNow, () => []) ?? first };
}

function resolveCredentials(settings: Settings, problems: Problems): AwsCredentials | undefined {
  const accessKeyId = settings['aws.access_key_id'];
  const secretAccessKey = settings['aws.secret_access_key'];
  const sessionToken = settings['aws.session_token'];
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  }
  const pair = ['aws.access_key_id', 'aws.secret_access_key'] as const;
  const remedy = 'both aws.access_key_id and aws.secret_access_key, or neither (the AWS default chain is used then)';
  if (accessKeyId !== undefined) problems.add('aws.secret_access_key', remedy, pair);
  else if (secretAccessKey !== undefined) problems.add('aws.access_key_id', remedy, pair);
  else if (sessionToken !== undefined) problems.add('aws.session_token', 'only together with the other two', pair);
  return undefined;
}

/** The directory of a file:/// address; undefined for everything else, and for one that is broken. */
function directoryOf(url: string): string | undefined {
  if (!/^file:\/\/\/[^?#\s]+$/i.test(url)) return undefined;
  try {
    return resolve(fileURLToPath(url));
  } catch {
    // An encoded slash or a malformed percent sign.
    return undefined;
  }
}

/**
 * The naming rules of general purpose buckets (Amazon S3 User Guide, "General purpose bucket naming rules"). Names in
 * the path may contain upper case and underscores, as older buckets and other servers do. ARNs of access points are
 * allowed.
 */
function bucketNameMistake(name: string, forcePathStyle: boolean): string | undefined {
  if (/^arn:[a-z0-9-]+:s3[a-z0-9-]*:[a-z0-9-]*:\d*:.+$/.test(name)) return undefined;
  if (forcePathStyle) {
    return /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/.test(name)
      ? undefined
      : '3 to 255 letters, digits, dots, hyphens and underscores, with a letter or digit at both ends';
  }
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
    return '3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends';
  }
  if (name.includes('..')) return 'a name without two dots in a row';
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return 'a name that does not look like an IP address';
  return undefined;
}

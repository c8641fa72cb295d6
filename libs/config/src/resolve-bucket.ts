import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';
import type { Problems } from './problems.ts';
import type { Settings } from './settings.ts';
import type { AwsCredentials, BucketSettings } from './sink-config.ts';

const SERVER_REGION = 'us-east-1';

/** The bucket of the configuration. Adds mistakes to `problems`; the result is then invalid. */
export function resolveBucket(
  settings: Settings,
  dataDir: string,
  awsRegion: () => AwsRegion,
  problems: Problems,
): BucketSettings {
  const { bucket: name, endpoint } = settings;
  const credentials = resolveCredentials(settings, problems);
  if (name === undefined) {
    const orphan = (['region', 'endpoint', 'aws.access_key_id'] as const).find((path) => settings[path] !== undefined);
    if (orphan) problems.add('bucket', `the name of the bucket that ${orphan} is for`, [orphan]);
    return { kind: 'file', directory: join(dataDir, 'objects') };
  }
  if (/^file:/i.test(name)) return { kind: 'file', directory: resolveDirectory(name, problems) };

  const forcePathStyle = settings.force_path_style ?? endpoint !== undefined;
  const wrong = bucketNameMistake(name, forcePathStyle);
  if (wrong !== undefined) problems.add('bucket', wrong, ['force_path_style']);

  let region = settings.region;
  if (region === undefined && endpoint !== undefined) region = SERVER_REGION;
  if (region === undefined) {
    const found = awsRegion();
    if (found?.kind === 'named') region = found.region;
    if (found === undefined) {
      problems.add('region', 'the region of the bucket, such as us-west-2 (or AWS_REGION, or one in the AWS profile)', [
        'bucket',
        'endpoint',
      ]);
    }
  }
  return {
    kind: 's3',
    name,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint: endpoint.replace(/\/$/, '') }),
    forcePathStyle,
    ...(credentials === undefined ? {} : { credentials }),
  };
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

function resolveDirectory(url: string, problems: Problems): string {
  if (/^file:\/\/\/[^?#]+$/i.test(url)) {
    try {
      return fileURLToPath(url);
    } catch {
      // An encoded slash or a malformed percent sign is reported below.
    }
  }
  problems.add('bucket', 'file:/// and an absolute directory, as file:///var/lib/sink/objects');
  return '';
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

/** The region in the AWS default chain: a name, `profile` (the SDK reads the profile itself), or none. */
export type AwsRegion = { readonly kind: 'named'; readonly region: string } | { readonly kind: 'profile' } | undefined;

/**
 * Finds the region where the AWS SDK does: in AWS_REGION, then in the shared configuration files. AWS_DEFAULT_REGION,
 * which only other SDKs read, counts too.
 */
export function findAwsRegion(env: Environment, readText: ReadText): AwsRegion {
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'];
  if (region) return { kind: 'named', region };
  const profile = env['AWS_PROFILE'] || 'default';
  const files = [
    env['AWS_CONFIG_FILE'] || join(env['HOME'] || homedir(), '.aws', 'config'),
    env['AWS_SHARED_CREDENTIALS_FILE'] || join(env['HOME'] || homedir(), '.aws', 'credentials'),
  ];
  return files.some((file) => profileHasRegion(readText(file), profile)) ? { kind: 'profile' } : undefined;
}

function profileHasRegion(content: ReturnType<ReadText>, profile: string): boolean {
  if (content === 'missing' || 'failure' in content) return false;
  let inside = false;
  for (const line of content.text.split(/\r?\n/)) {
    const heading = /^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/.exec(line);
    if (heading) inside = heading[1] === profile;
    else if (inside && /^region\s*=\s*\S/.test(line)) return true;
  }
  return false;
}

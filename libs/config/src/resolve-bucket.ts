import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readAwsProfile } from './aws-profile.ts';
import { bucketHint } from './bucket-hint.ts';
import type { Problems } from './problems.ts';
import type { ReadAgain } from './read-again.ts';
import { checkAddress, addressOf } from './resolve-address.ts';
import { checkAws, profileNameOf, resolveCredentials, type RouteAws } from './resolve-credentials.ts';
import { resolveCa, resolveEndpoint, resolveProxy, type Surroundings } from './resolve-network.ts';
import type { Settings } from './settings.ts';
import type { BucketSettings, Endpoint } from './sink-config.ts';

const SERVER_REGION = 'us-east-1';

/** What the bucket is resolved from, beside the settings. */
export interface BucketSources extends Omit<Surroundings, 'profile'> {
  readonly dataDir: string;
  readonly again: ReadAgain;
}

/**
 * The bucket of the configuration. Adds mistakes to `problems`; the result is then invalid.
 * @param aws that of a route
 */
export function resolveBucket(
  settings: Settings,
  sources: BucketSources,
  problems: Problems,
  warnings: string[],
  aws?: RouteAws,
): BucketSettings {
  const { bucket: name } = settings;
  warnOfPrefix('prefix', settings.prefix, warnings);
  checkAws(settings, problems);
  if (name === undefined) {
    const isOfRoute = settings.routes?.some((route) => route.bucket !== undefined) ?? false;
    const orphan = isOfRoute
      ? undefined
      : (['region', 'endpoint', 'aws.access_key_id', 'aws.profile', 'aws.role_arn'] as const).find(
          (path) => settings[path] !== undefined,
        );
    if (orphan) problems.add('bucket', `the name of the bucket that ${orphan} is for`, [orphan]);
    return { kind: 'file', directory: join(sources.dataDir, 'objects') };
  }
  const directory = directoryOf(name);
  if (directory !== undefined) return { kind: 'file', directory };

  const profile = readAwsProfile(sources.env, sources.readText, profileNameOf(settings, aws));
  const surroundings = { ...sources, profile };
  const endpoint = resolveEndpoint(settings, surroundings, problems);
  const forcePathStyle = settings.force_path_style ?? endpoint !== undefined;
  const wrong = bucketHint(name) ?? bucketNameMistake(name, forcePathStyle);
  if (wrong !== undefined) problems.add('bucket', wrong, ['force_path_style']);
  checkAddress(settings, name, endpoint, forcePathStyle, problems);
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
    ...addressOf(settings),
    ...(proxy === undefined ? {} : { proxy }),
    ...(readCa === undefined ? {} : { readCa }),
    ...resolveCredentials(settings, aws, profile, sources, problems),
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

/** Placeholders of other programs are literal parts of keys here. */
export function warnOfPrefix(key: string, prefix: string, warnings: string[]): void {
  const placeholder = /%[A-Za-z]|\{\{?[^{}/]+\}\}?|!\{[^{}/]+\}|\$\{?[A-Za-z_]/.exec(prefix)?.[0];
  if (placeholder === undefined) return;
  warnings.push(
    `${key} contains ${placeholder}, which the sink does not replace: keys begin with exactly this text, and the folders of date and hour follow it`,
  );
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

import { RETRIES_FOLDER } from '@sink/domain';
import { arnsOf } from './s3-arns.ts';
import type { S3BucketSettings } from './s3-client.ts';

/**
 * What credentials are for. `put`: what the uploader cannot do without, and `check`; `manifests` need no more. `compare`:
 * the uploader looks whether an object exists, after a PUT whose answer was lost or when a spilled file is missing.
 * `verify` lists the bucket, and `read` is `verify --read`. `quarantine` is for the commands of that name.
 */
export const IAM_USES = ['put', 'compare', 'manifests', 'verify', 'read', 'quarantine'] as const;
export type IamUse = (typeof IAM_USES)[number];

interface IamStatement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: string;
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export interface IamPolicy {
  readonly Version: '2012-10-17';
  readonly Statement: readonly IamStatement[];
}

export interface IamPolicyOptions {
  readonly uses: readonly IamUse[];
  readonly prefix: string;
  /** What `prefix` was before: `verify` also lists and reads the objects that have it. */
  readonly earlierPrefixes?: readonly string[];
  /** What a PUT of the configuration needs beside s3:PutObject; absent: nothing. */
  readonly puts?: PutNeeds;
  /** Null or absent: nothing is put in quarantine. */
  readonly quarantinePrefix?: string | null;
}

/** The parts of a PUT that have permissions of their own. */
export interface PutNeeds {
  readonly tags: boolean;
  readonly lock: boolean;
  readonly acl: boolean;
  /** Objects are put in several parts: what was abandoned is removed. */
  readonly parts: boolean;
  /** The KMS key by which objects are encrypted: its ARN, or another name of it; `any`: that of the account; null: none. */
  readonly kmsKey: string | null;
}

/** The uses that need each action of S3. */
const ACTIONS = {
  PutObject: ['put', 'manifests'],
  // HEAD has no action of its own.
  GetObject: ['compare', 'read'],
  ListBucket: ['verify', 'read'],
} as const satisfies Record<string, readonly IamUse[]>;

/**
 * The least IAM policy for these uses of a bucket: docs/iam.md. A test runs the whole sink under it, and without each of its
 * actions.
 * @returns a sentence for a kind of bucket that has other permissions
 */
export function iamPolicy(bucket: S3BucketSettings, options: IamPolicyOptions): IamPolicy | string {
  if (bucket.name.endsWith('--x-s3')) {
    return `${bucket.name} is a directory bucket of S3 Express, whose permissions are those of sessions`;
  }
  if (/-s3alias$/.test(bucket.name)) {
    return `${bucket.name} is the alias of an access point, and a policy needs its ARN: give the ARN as bucket`;
  }
  const { prefix, earlierPrefixes = [], uses, quarantinePrefix = null } = options;
  const { bucketArn, objectsArn, service } = arnsOf(bucket.name, bucket.region);
  const needs = (action: keyof typeof ACTIONS): boolean => ACTIONS[action].some((use) => uses.includes(use));
  const auditing = uses.includes('verify') || uses.includes('read');
  // What begins with `prefix` is allowed anyway.
  const own = quarantinePrefix === null || quarantinePrefix.startsWith(prefix) ? [prefix] : [prefix, quarantinePrefix];
  const prefixes = [...new Set([...own, ...(auditing ? earlierPrefixes : [])])];
  const objects = (of: readonly string[]): string | readonly string[] => {
    const arns = of.map(objectsArn);
    return arns.length === 1 ? (arns[0] ?? '') : arns;
  };
  const statement = (
    sid: string,
    action: keyof typeof ACTIONS,
    rest: Pick<IamStatement, 'Resource' | 'Condition'>,
  ): IamStatement[] => (needs(action) ? [{ Sid: sid, Effect: 'Allow', Action: `${service}:${action}`, ...rest }] : []);
  return {
    Version: '2012-10-17',
    Statement: [
      ...statement('SinkPutsObjects', 'PutObject', { Resource: objects(own) }),
      ...putStatements(options, bucket.region, { service, bucketArn, objects: objects(own) }),
      ...statement('SinkReadsObjects', 'GetObject', { Resource: objects(uses.includes('read') ? prefixes : own) }),
      ...statement('SinkListsBucket', 'ListBucket', {
        Resource: bucketArn,
        ...listingOf([...new Set(quarantinePrefix === null ? prefixes : [...prefixes, quarantinePrefix])]),
      }),
      ...(uses.includes('quarantine') && quarantinePrefix !== null
        ? quarantineStatements(service, bucketArn, objectsArn, quarantinePrefix)
        : []),
    ],
  };
}

/** What the options of a PUT need. The key of an alias is known to KMS only, so the policy names it by the alias. */
function putStatements(
  { puts, uses }: IamPolicyOptions,
  region: string | undefined,
  { service, bucketArn, objects }: { service: string; bucketArn: string; objects: string | readonly string[] },
): IamStatement[] {
  if (puts === undefined) return [];
  const allow = { Effect: 'Allow' } as const;
  const isPutting = uses.includes('put') || uses.includes('manifests');
  const onObjects = (sid: string, action: string, isNeeded: boolean): IamStatement[] =>
    isPutting && isNeeded ? [{ Sid: sid, ...allow, Action: `${service}:${action}`, Resource: objects }] : [];
  const listing = { Sid: 'SinkListsParts', ...allow, Action: `${service}:ListBucketMultipartUploads` };
  return [
    ...onObjects('SinkTagsObjects', 'PutObjectTagging', puts.tags),
    ...onObjects('SinkLocksObjects', 'PutObjectRetention', puts.lock),
    ...onObjects('SinkSetsAcls', 'PutObjectAcl', puts.acl),
    ...onObjects('SinkAbortsParts', 'AbortMultipartUpload', puts.parts),
    ...(isPutting && puts.parts ? [{ ...listing, Resource: bucketArn }] : []),
    ...(puts.kmsKey === null ? [] : keyStatements(puts.kmsKey, puts.parts, uses, region)),
  ];
}

/** S3 decrypts what it has of an object when a further part arrives, when HEAD asks for a checksum, and for GET. */
function keyStatements(
  key: string,
  parts: boolean,
  uses: readonly IamUse[],
  region: string | undefined,
): IamStatement[] {
  const alias = /^(?:arn:.*:)?(alias\/.+)$/.exec(key)?.[1];
  const partition = arnsOf('x', region).bucketArn.split(':')[1] ?? 'aws';
  const anyKey = `arn:${partition}:kms:${region ?? '*'}:*:key`;
  const isArn = key.startsWith('arn:') && alias === undefined;
  const resource = isArn ? key : alias === undefined && key !== 'any' ? `${anyKey}/${key}` : `${anyKey}/*`;
  const condition =
    alias === undefined ? {} : { Condition: { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': [alias] } } };
  const statement = (sid: string, action: string): IamStatement => ({
    ...{ Sid: sid, Effect: 'Allow', Action: `kms:${action}`, Resource: resource, ...condition },
  });
  const puts = uses.includes('put') || uses.includes('manifests');
  const reads = uses.includes('compare') || uses.includes('read') || uses.includes('quarantine');
  return [
    ...(puts ? [statement('SinkEncrypts', 'GenerateDataKey')] : []),
    ...(reads || (puts && parts) ? [statement('SinkDecrypts', 'Decrypt')] : []),
  ];
}

/** The commands list below the prefix, and put nothing but the markers of retries. */
function quarantineStatements(
  service: string,
  bucketArn: string,
  objectsArn: (prefix: string) => string,
  prefix: string,
): IamStatement[] {
  const below = `${prefix.replace(/[$*?]/g, '${$&}')}*`;
  const allow = { Effect: 'Allow' } as const;
  return [
    {
      Sid: 'SinkPutsRetryMarkers',
      ...allow,
      Action: `${service}:PutObject`,
      Resource: objectsArn(`${prefix}${RETRIES_FOLDER}`),
    },
    { Sid: 'SinkReadsQuarantine', ...allow, Action: `${service}:GetObject`, Resource: objectsArn(prefix) },
    {
      Sid: 'SinkListsQuarantine',
      ...allow,
      Action: `${service}:ListBucket`,
      Resource: bucketArn,
      Condition: { StringLike: { 's3:prefix': [below] } },
    },
  ];
}

/** `verify` lists nothing but what begins with a prefix. Without a prefix it lists everything. */
function listingOf(prefixes: readonly string[]): Pick<IamStatement, 'Condition'> {
  if (prefixes.includes('')) return {};
  const values = prefixes.map((prefix) => prefix.replaceAll('$', '${$}'));
  return { Condition: { StringEquals: { 's3:prefix': values } } };
}

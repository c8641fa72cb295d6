/** The ARNs of a bucket in IAM policies. */
export interface S3Arns {
  readonly bucketArn: string;
  /** Of all objects whose keys begin with a prefix. */
  readonly objectsArn: (prefix: string) => string;
  /** The start of the names of actions: `s3`. */
  readonly service: string;
}

/** AWS' partitions by the start of their regions' names; all other regions are in `aws`. */
const PARTITIONS: readonly (readonly [start: string, partition: string])[] = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-iso-', 'aws-iso'],
  ['us-isob-', 'aws-iso-b'],
  ['eu-isoe-', 'aws-iso-e'],
  ['us-isof-', 'aws-iso-f'],
  ['eusc-', 'aws-eusc'],
];

/** @param bucket a name, or the ARN of an access point, whose objects are below `/object/` */
export function arnsOf(bucket: string, region = ''): S3Arns {
  const [, service] = /^arn:[^:]+:(s3[^:]*):/.exec(bucket) ?? [];
  const partition = PARTITIONS.find(([start]) => region.startsWith(start))?.[1] ?? 'aws';
  const bucketArn = service === undefined ? `arn:${partition}:s3:::${bucket}` : bucket;
  const objects = service === undefined ? bucketArn : `${bucketArn}/object`;
  return { bucketArn, objectsArn: (prefix) => `${objects}/${escaped(prefix)}*`, service: service ?? 's3' };
}

/** A prefix may contain what is a wildcard, or the start of a variable, in a policy. */
function escaped(prefix: string): string {
  return prefix.replace(/[$*?]/g, (character) => `\${${character}}`);
}

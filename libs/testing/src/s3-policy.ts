import type { S3Operation, S3RequestFacts } from './s3-faults.ts';

interface PolicyStatement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** An IAM policy, as far as the fake judges by it. */
export interface S3Policy {
  readonly Statement: readonly PolicyStatement[];
}

/** What a request needs, in the words of a policy. */
export interface S3Action {
  readonly action: string;
  readonly resource: string;
  /** Condition keys that the request has. */
  readonly context: Readonly<Record<string, string>>;
}

/** IAM's action of each operation: HEAD has none of its own. */
const ACTIONS: Readonly<Record<S3Operation, string>> = {
  PutObject: 's3:PutObject',
  HeadObject: 's3:GetObject',
  GetObject: 's3:GetObject',
  ListObjectsV2: 's3:ListBucket',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  HeadBucket: 's3:ListBucket',
  Other: 's3:Other',
};

/** What a request needs: a PUT with tags or a lock needs further actions. */
export function actionsOf(facts: S3RequestFacts, query: URLSearchParams): S3Action[] {
  const first = actionOf(facts, query);
  const { headers } = facts;
  return [
    first,
    ...('x-amz-tagging' in headers ? [{ ...first, action: 's3:PutObjectTagging' }] : []),
    ...('x-amz-acl' in headers ? [{ ...first, action: 's3:PutObjectAcl' }] : []),
    ...('x-amz-object-lock-mode' in headers ? [{ ...first, action: 's3:PutObjectRetention' }] : []),
  ];
}

function actionOf({ operation, bucket, key }: S3RequestFacts, query: URLSearchParams): S3Action {
  const onBucket = ['ListObjectsV2', 'HeadBucket', 'ListMultipartUploads'].includes(operation);
  const prefix = query.get('prefix');
  return {
    action: ACTIONS[operation],
    resource: `arn:aws:s3:::${bucket}${onBucket ? '' : `/${key}`}`,
    context: operation === 'ListObjectsV2' && prefix !== null ? { 's3:prefix': prefix } : {},
  };
}

/** What S3 asks before it says that an object does not exist; without it, the answer is AccessDenied. */
export function listingOf({ bucket }: S3RequestFacts): S3Action {
  return { action: 's3:ListBucket', resource: `arn:aws:s3:::${bucket}`, context: {} };
}

/**
 * Judges as IAM does: some statement allows it, and none denies it. Knows the conditions StringEquals and StringLike.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */
export function isAllowed(policy: S3Policy, wanted: S3Action): boolean {
  const effects = policy.Statement.filter((statement) => applies(statement, wanted)).map(({ Effect }) => Effect);
  return effects.includes('Allow') && !effects.includes('Deny');
}

function applies({ Action, Resource, Condition = {} }: PolicyStatement, wanted: S3Action): boolean {
  const actions = list(Action).map((action) => action.toLowerCase());
  return (
    actions.some((action) => matches(action, wanted.action.toLowerCase())) &&
    list(Resource).some((resource) => matches(resource, wanted.resource)) &&
    Object.entries(Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, values]) => meets(operator, list(values), wanted.context[key])),
    )
  );
}

function meets(operator: string, values: readonly string[], given: string | undefined): boolean {
  if (operator !== 'StringEquals' && operator !== 'StringLike') throw new Error(`the fake knows no ${operator}`);
  if (given === undefined) return false;
  return values.some((value) => matches(operator === 'StringLike' ? value : withoutWildcards(value), given));
}

function list(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}

function withoutWildcards(value: string): string {
  return value.replace(/(\$\{[$*?]\})|([*?])/g, (_, escape: string | undefined, wildcard: string | undefined) =>
    escape === undefined ? `\${${wildcard ?? ''}}` : escape,
  );
}

/** `*` and `?` are wildcards; `${*}`, `${?}` and `${$}` are those characters. Other variables are not known. */
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split(/(\$\{[^}]*\}|[*?])/);
  const source = parts.map((part) => {
    if (part === '*') return '[^]*';
    if (part === '?') return '[^]';
    const [, character] = /^\$\{(.*)\}$/.exec(part) ?? [];
    if (character !== undefined && !/^[$*?]$/.test(character)) throw new Error(`the fake knows no variable ${part}`);
    return RegExp.escape(character ?? part);
  });
  return new RegExp(`^${source.join('')}$`).test(text);
}

import type { Failure } from './object-store-error.ts';
import { operator, type S3Place } from './s3-remedies.ts';
import type { Symptoms } from './s3-symptoms.ts';

const ANOTHER_KEY = 'set `sse_kms_key_id` to another one (or, if that is not set, the default key of the bucket)';

/**
 * What it means that S3 cannot use a KMS key; null: it is not about one. S3 sends the codes of KMS after `KMS.`, and
 * AccessDenied with the action in its message; MinIO sends `kms:KeyNotFound`.
 */
export function kmsFailure({ name, message }: Symptoms, { region }: S3Place): Failure | null {
  const denied = /\bkms:[A-Za-z]+/.exec(message)?.[0];
  if (/denied/i.test(name) && denied !== undefined) {
    const actions = denied === 'kms:GenerateDataKey' ? denied : `kms:GenerateDataKey and ${denied}`;
    return key(
      `Allow ${actions} on the KMS key for these credentials, in their policy and in that of the key; \`iam\` prints it.`,
    );
  }
  if (!/^(XMinio)?KMS/i.test(name)) return null;
  if (/throttl|limit/i.test(name)) {
    const remedy =
      'KMS asks for fewer requests: `sse_bucket_key: true` or larger objects need fewer; the quota can be raised.';
    return { code: 'throttled', kind: 'throttled', remedy };
  }
  if (/disabled/i.test(name)) return key(`Enable the KMS key, or ${ANOTHER_KEY}.`);
  if (/state|deletion/i.test(name)) {
    return key(`The KMS key is being deleted or not ready: cancel its deletion, or ${ANOTHER_KEY}.`);
  }
  if (/not ?found|invalid ?arn/i.test(`${name} ${message}`)) {
    const where = region === undefined ? 'the region of the bucket' : region;
    return key(
      `There is no such KMS key in ${where}: it must be in the region of the bucket, and a key of another account needs its ARN; correct \`sse_kms_key_id\`.`,
    );
  }
  if (/internal|timeout|unavailable/i.test(name)) return { code: 'server_error', kind: 'transient' };
  return key(`The KMS key cannot be used (see the message): check it, or ${ANOTHER_KEY}.`);
}

function key(remedy: string): Failure {
  return operator('encryption_key', remedy);
}

/** What it means that S3 refuses an option of a PUT; null: it does not. */
export function optionFailure({ name, message }: Symptoms): Failure | null {
  const refused = (remedy: string): Failure => operator('refused', remedy);
  if (name === 'InvalidStorageClass') return refused('The store has no such class: correct `storage_class`.');
  if (name === 'AccessControlListNotSupported') return refused('The bucket has no ACLs: remove `acl`.');
  if (name === 'InvalidTag') return refused('The store does not take these tags: correct `tags`.');
  if (name === 'MetadataTooLarge') return refused('The store takes less metadata: shorten `metadata`.');
  if (/object ?lock configuration|object lock is not/i.test(message)) {
    return refused('The bucket has no Object Lock: enable it for the bucket, or set `object_lock_for: 0`.');
  }
  return null;
}

/** The action that a refusal names, after `s3:`; null: none. */
export function deniedAction({ message }: Symptoms): string | null {
  return /perform: s3[a-z-]*:([A-Za-z]+)/.exec(message)?.[1] ?? null;
}

import type { SinkConfig } from '@sink/config';
import { iamPolicy, type IamUse, type PutNeeds } from '@sink/objects';
import { StartError } from '../start-error.ts';

export interface IamCommand {
  /** Empty: what the sink itself needs with this configuration. */
  readonly uses: readonly IamUse[];
  readonly earlierPrefixes: readonly string[];
}

/**
 * The least IAM policy for a configuration, as JSON to be pasted.
 * @throws StartError if the configuration needs none, or one of another kind
 */
export function iamText(config: SinkConfig, { uses, earlierPrefixes }: IamCommand): string {
  const { bucket, prefix, onInvalid, quarantinePrefix: configured } = config;
  if (bucket.kind === 'file') {
    throw new StartError('no_policy', `objects are plain files in ${bucket.directory}, which needs no policy`);
  }
  // What was kept before `on_invalid` was changed can still be retried.
  const quarantinePrefix = onInvalid === 'quarantine' || uses.includes('quarantine') ? configured : null;
  const options = {
    uses: uses.length > 0 ? uses : usesOf(config),
    prefix,
    earlierPrefixes,
    quarantinePrefix,
    puts: needsOf(config),
  };
  const policy = iamPolicy(bucket, options);
  if (typeof policy === 'string') throw new StartError('no_policy', policy);
  return `${JSON.stringify(policy, null, 2)}\n`;
}

/** A spilled segment whose file is missing may be in the bucket: the uploader has to look. */
function usesOf({ spillAtBytes }: SinkConfig): readonly IamUse[] {
  return spillAtBytes === 'never' ? ['put'] : ['put', 'compare'];
}

/** The default of `flush_size`: the objects of so many events are hardly ever put in parts, and then need not be. */
const FEW_EVENTS = 1_000;

/** An object has several parts only if it may become so large; with the defaults of all sizes that is rare. */
function needsOf(config: SinkConfig): PutNeeds {
  const { tags, objectLockForMs, acl, sse, sseKmsKeyId, checksum, given } = config;
  const sizes = ['multipart_above', 'flush_bytes', 'target_object_size'] as const;
  const isChosen = config.flushSize > FEW_EVENTS || sizes.some((path) => given.includes(path));
  const isLarge = isChosen && (config.targetObjectSize ?? config.flushBytes) > config.multipartAbove;
  return {
    tags: Object.keys(tags ?? {}).length > 0,
    lock: objectLockForMs > 0,
    acl: acl !== null,
    parts: isLarge && checksum !== 'off' && checksum !== 'sha256',
    kmsKey: sse === 'aws:kms' || sse === 'aws:kms:dsse' ? (sseKmsKeyId ?? 'any') : null,
  };
}

import type { SinkConfig } from '@sink/config';
import { iamPolicy, type IamUse } from '@sink/objects';
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
  const { bucket, prefix } = config;
  if (bucket.kind === 'file') {
    throw new StartError('no_policy', `objects are plain files in ${bucket.directory}, which needs no policy`);
  }
  const policy = iamPolicy(bucket, { uses: uses.length > 0 ? uses : usesOf(config), prefix, earlierPrefixes });
  if (typeof policy === 'string') throw new StartError('no_policy', policy);
  return `${JSON.stringify(policy, null, 2)}\n`;
}

/** A spilled segment whose file is missing may be in the bucket: the uploader has to look. */
function usesOf({ spillAtBytes }: SinkConfig): readonly IamUse[] {
  return spillAtBytes === 'never' ? ['put'] : ['put', 'compare'];
}

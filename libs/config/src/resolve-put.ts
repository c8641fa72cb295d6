import type { Problems } from './problems.ts';
import type { GivenRoute } from './routes.ts';
import type { SettingPath, Settings } from './settings.ts';
import type { BucketSettings } from './sink-config.ts';

/** The keys that have no effect on plain files. */
const OF_S3 = [
  'sse',
  'storage_class',
  'acl',
  'tags',
  'metadata',
  'object_lock_for',
  'expected_bucket_owner',
  'requester_pays',
  'cache_control',
] as const satisfies readonly SettingPath[];

type EncryptionKeys = Pick<GivenRoute, 'sse' | 'sse_kms_key_id' | 'sse_bucket_key'>;
type Mistake = readonly [path: 'sse_kms_key_id' | 'sse_bucket_key', allowed: string];

/** Adds mistakes of the keys of a PUT at the top level. */
export function checkPut(
  settings: Settings,
  bucket: BucketSettings,
  given: readonly SettingPath[],
  problems: Problems,
  warnings: string[],
): void {
  for (const [path, allowed] of encryptionMistakes(settings)) problems.add(path, allowed, ['sse']);
  const idle = bucket.kind === 'file' ? OF_S3.filter((path) => given.includes(path)) : [];
  if (idle.length > 0) warnings.push(`${idle.join(', ')}: no effect on plain files`);
}

/** Adds mistakes of a route. With an encryption of its own, it takes no key of the top level. */
export function checkPutOfRoute(settings: Settings, route: GivenRoute, index: number, problems: Problems): void {
  const own = route.sse !== undefined || [route.sse_kms_key_id, route.sse_bucket_key].some((key) => key !== undefined);
  if (!own) return;
  const keys = { sse_kms_key_id: route.sse_kms_key_id, sse_bucket_key: route.sse_bucket_key };
  for (const [path, allowed] of encryptionMistakes({ sse: route.sse ?? settings.sse, ...keys })) {
    problems.addInside('routes', `[${index}].${path}`, route[path], allowed);
  }
}

function encryptionMistakes({ sse, sse_kms_key_id: keyId, sse_bucket_key: bucketKey }: EncryptionKeys): Mistake[] {
  const mistakes: Mistake[] = [];
  if (keyId !== undefined && sse !== 'aws:kms' && sse !== 'aws:kms:dsse') {
    mistakes.push(['sse_kms_key_id', 'only with sse: aws:kms or aws:kms:dsse']);
  }
  // S3 has no bucket keys with two layers of encryption.
  if (bucketKey !== undefined && sse !== 'aws:kms') mistakes.push(['sse_bucket_key', 'only with sse: aws:kms']);
  return mistakes;
}
